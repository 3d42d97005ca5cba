#include "router/retrieval/word_search.h"

#include <algorithm>
#include <set>

#include "router/retrieval/index_file.h"

namespace kedge::retrieval {

namespace {

constexpr size_t kMaxTerms = 64;
constexpr int64_t kCommonAtLeast = 100;
constexpr int64_t kDecisiveShare = 100;  // one passage of so many

// FTS5's own cutting into words and folding of letters, so that a query is read as the passages were.
Result<fts5_api*> fts5_of(const sqlite::Database& database) {
  fts5_api* api = nullptr;
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(database.handle(), "SELECT fts5(?1)", -1, &statement, nullptr);
  if (code == SQLITE_OK) {
    sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", nullptr);
    sqlite3_step(statement);
    code = sqlite3_finalize(statement);
  }
  if (code != SQLITE_OK) return database.error(code, "FTS5");
  if (api == nullptr) return Error{ErrorCode::kUnsupported, "the SQLite library was built without FTS5"};
  return api;
}

// A callback of SQLite: nothing may be thrown through it.
int collect(void* context, int, const char* token, int size, int, int) noexcept {
  try {
    static_cast<std::set<std::string>*>(context)->emplace(token, static_cast<size_t>(size));
    return SQLITE_OK;
  } catch (...) {
    return SQLITE_NOMEM;
  }
}

}  // namespace

WordSearch::~WordSearch() {
  if (instance_ != nullptr) tokenizer_.xDelete(instance_);
}

Status WordSearch::open(const sqlite::Database& database, int64_t n_passages) {
  n_passages_ = n_passages;
  KEDGE_ASSIGN(api, fts5_of(database));
  void* context = nullptr;
  int code = api->xFindTokenizer(api, kTokenizer, &context, &tokenizer_);
  const char* arguments[] = {"remove_diacritics", "2"};
  if (code == SQLITE_OK) code = tokenizer_.xCreate(context, arguments, 2, &instance_);
  if (code != SQLITE_OK) return database.error(code, "FTS5's tokenizer");
  KEDGE_ASSIGN(frequency, database.prepare("SELECT n_passages FROM terms WHERE term = ?1"));
  KEDGE_ASSIGN(match, database.prepare("SELECT rowid, bm25(words) AS score FROM words WHERE words MATCH ?1 "
                                       "ORDER BY score, rowid LIMIT ?2"));
  frequency_ = std::move(frequency);
  match_ = std::move(match);
  return {};
}

// Those that stand in the index, rarest first.
Result<std::vector<WordSearch::Term>> WordSearch::terms_of(std::string_view query) {
  std::set<std::string> words;
  const int code = tokenizer_.xTokenize(instance_, &words, FTS5_TOKENIZE_QUERY, query.data(),
                                        static_cast<int>(query.size()), collect);
  if (code != SQLITE_OK) return Error{ErrorCode::kCapacity, "a query cannot be cut into words: out of memory"};
  std::vector<Term> terms;
  for (const std::string& word : words) {
    KEDGE_TRY(frequency_.bind(sqlite::Text{word}));
    KEDGE_ASSIGN(found, frequency_.step());
    if (found) terms.push_back({word, frequency_.integer(0)});
    frequency_.reset();
  }
  std::stable_sort(terms.begin(), terms.end(),
                   [](const Term& a, const Term& b) { return a.n_passages < b.n_passages; });
  return terms;
}

Result<WordHits> WordSearch::search(std::string_view query, size_t count) {
  WordHits hits;
  if (query.empty()) return hits;
  KEDGE_ASSIGN(terms, terms_of(query));
  if (terms.empty()) return hits;
  hits.decisive = terms.front().n_passages <= std::max<int64_t>(n_passages_ / kDecisiveShare, 1);
  const int64_t common = std::max(n_passages_ / 10, kCommonAtLeast);
  while (terms.size() > kMaxTerms || (terms.size() > 1 && terms.back().n_passages > common)) terms.pop_back();
  std::string any;
  for (const Term& term : terms) {
    // In quotes a word is a word, whatever it would mean to FTS5. The tokenizer leaves no quotes in it.
    any += (any.empty() ? "\"" : " OR \"") + term.text + "\"";
  }
  KEDGE_TRY(match_.bind(sqlite::Text{any}, static_cast<int64_t>(count)));
  while (true) {
    KEDGE_ASSIGN(more, match_.step());
    if (!more) break;
    hits.ranked.push_back({match_.integer(0), -match_.real(1)});
  }
  return hits;
}

}  // namespace kedge::retrieval
