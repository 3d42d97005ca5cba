#include "router/retrieval/word_search.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "router/retrieval/index_file.h"

namespace kedge::router::retrieval {

namespace {

constexpr size_t kMaxWords = 64;
constexpr int64_t kCommonAtLeast = 1000;

}  // namespace

Status WordSearch::open(const sqlite::Database& database, int64_t n_passages, const std::string& names) {
  n_passages_ = n_passages;
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(',', at), names.size());
    const std::string name = names.substr(at, end - at);
    const Language* language = find_language(name);
    if (language == nullptr) {
      return Error{ErrorCode::kCorrupt, database.path() + ": is in the language '" + name + "', which is not known"};
    }
    KEDGE_ASSIGN(stemmer, Stemmer::create(*language));
    stemmers_.push_back(std::move(stemmer));
    at = end + 1;
  }
  KEDGE_ASSIGN(frequency, database.prepare("SELECT n_passages FROM terms WHERE term = ?1"));
  KEDGE_ASSIGN(match, database.prepare("SELECT rowid, bm25(words) AS score FROM words WHERE words MATCH ?1 "
                                       "ORDER BY score, rowid LIMIT ?2"));
  frequency_ = std::move(frequency);
  match_ = std::move(match);
  return {};
}

Result<std::vector<QueryWord>> WordSearch::words_of(std::string_view query) {
  std::vector<FoldedWord> folded = folded_words(query);
  std::erase_if(folded, [](const FoldedWord& w) { return w.kind == FoldedWord::Kind::kCharacter; });
  const auto nothing = [&](const FoldedWord& w) { return is_function_word(stemmers_, w.text); };
  if (!std::all_of(folded.begin(), folded.end(), nothing)) std::erase_if(folded, nothing);
  std::set<std::set<std::string>> seen;
  std::vector<QueryWord> words;
  for (const FoldedWord& word : folded) {
    std::set<std::string> terms;
    for (const Stemmer& stemmer : stemmers_) terms.insert(stemmer.term(word));
    if (!seen.insert(terms).second) continue;
    QueryWord w;
    for (const std::string& term : terms) {
      KEDGE_TRY(frequency_.bind(sqlite::Text{term}));
      KEDGE_ASSIGN(found, frequency_.step());
      if (found) w.n_passages = std::max(w.n_passages, frequency_.integer(0));
      frequency_.reset();
    }
    // A chain that no passage has written as one word is known by its parts.
    if (word.kind == FoldedWord::Kind::kJoined && w.n_passages == 0) continue;
    const auto n = static_cast<double>(w.n_passages);
    w.terms.assign(terms.begin(), terms.end());
    w.weight = std::log(1 + (static_cast<double>(n_passages_) - n + 0.5) / (n + 0.5));
    words.push_back(std::move(w));
  }
  std::stable_sort(words.begin(), words.end(),
                   [](const QueryWord& a, const QueryWord& b) { return a.n_passages < b.n_passages; });
  return words;
}

Result<WordHits> WordSearch::search(std::string_view query, size_t count) {
  WordHits hits;
  KEDGE_ASSIGN(words, words_of(query));
  double all = 0;
  for (const QueryWord& w : words) {
    all += w.weight;
    if (w.n_passages > 0) hits.known += w.weight;
  }
  if (all > 0) hits.known /= all;
  std::erase_if(words, [](const QueryWord& w) { return w.n_passages == 0; });
  if (words.empty()) return hits;
  const int64_t common = std::max(n_passages_ / 10, kCommonAtLeast);
  while (words.size() > kMaxWords || (words.size() > 1 && words.back().n_passages > common)) words.pop_back();
  std::string any;
  for (const QueryWord& word : words) {
    // In quotes a word is a word, whatever it would mean to FTS5. A term has no quotes in it.
    for (const std::string& term : word.terms) any += (any.empty() ? "\"" : " OR \"") + term + "\"";
  }
  KEDGE_TRY(match_.bind(sqlite::Text{any}, static_cast<int64_t>(count)));
  while (true) {
    KEDGE_ASSIGN(more, match_.step());
    if (!more) break;
    hits.ranked.push_back({match_.integer(0), -match_.real(1)});
  }
  return hits;
}

}  // namespace kedge::router::retrieval
