// The BM25 half of a search: FTS5 over titles and texts.
#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>
#include <vector>

#include "router/retrieval/fusion.h"
#include "router/sqlite.h"

namespace kedge::retrieval {

struct WordHits {
  std::vector<Ranked> ranked;  // best first, equal ones by row
  bool decisive = false;       // a word of the query is rare enough to tell passages apart
};

// Over an open index, which has to outlive it. Stays where it is made. One thread at a time.
class WordSearch {
 public:
  WordSearch() = default;
  WordSearch(const WordSearch&) = delete;
  WordSearch& operator=(const WordSearch&) = delete;
  ~WordSearch();

  Status open(const sqlite::Database& database, int64_t n_passages);
  // The passages with any of the query's words, at most `count`. Words that more than a tenth of the passages (and more
  // than 100) have are left out when the query has rarer ones: they cost the most time and decide nothing. Of a long
  // query the 64 rarest words count.
  Result<WordHits> search(std::string_view query, size_t count);

 private:
  struct Term {
    std::string text;
    int64_t n_passages = 0;
  };
  Result<std::vector<Term>> terms_of(std::string_view query);

  int64_t n_passages_ = 0;
  fts5_tokenizer tokenizer_ = {};
  Fts5Tokenizer* instance_ = nullptr;
  sqlite::Statement frequency_;
  sqlite::Statement match_;
};

}  // namespace kedge::retrieval
