// The BM25 half of a search: FTS5 over titles and texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "router/retrieval/fusion.h"
#include "router/retrieval/language.h"
#include "router/sqlite.h"

namespace kedge::router::retrieval {

struct WordHits {
  std::vector<Ranked> ranked;  // best first, equal ones by row
  // Of what the query's words say, weighed by how rare each is, the part that the index knows: 0 to 1.
  double known = 0;
};

// A word of a query and how much it says about a passage it stands in.
struct QueryWord {
  std::vector<std::string> terms;  // its stems in the index's languages
  double weight = 0;               // logarithm of how few passages have it
  int64_t n_passages = 0;          // that have the most common of the terms
};

// Over an open index, which has to outlive it. Stays where it is made. One thread at a time.
class WordSearch {
 public:
  WordSearch() = default;
  WordSearch(const WordSearch&) = delete;
  WordSearch& operator=(const WordSearch&) = delete;

  // `languages`: as Contents has them. Errors: kCorrupt for one that is not known.
  Status open(const sqlite::Database& database, int64_t n_passages, const std::string& languages);
  // The passages with any of the query's words, at most `count`. Function words are left out when the query has others;
  // so are words that more than a tenth of the passages (and more than 1000) have when it has rarer ones: they cost the
  // most time and decide nothing. Of a long query the 64 rarest words count.
  Result<WordHits> search(std::string_view query, size_t count);
  // Rarest first; those that no passage has come first of all.
  Result<std::vector<QueryWord>> words_of(std::string_view query);
  const std::vector<Stemmer>& stemmers() const { return stemmers_; }

 private:
  int64_t n_passages_ = 0;
  std::vector<Stemmer> stemmers_;
  sqlite::Statement frequency_;
  sqlite::Statement match_;
};

}  // namespace kedge::router::retrieval
