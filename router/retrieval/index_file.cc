#include "router/retrieval/index_file.h"

#include <charconv>
#include <cstring>

#include "kernels/base/sha256.h"
#include "router/sqlite_schema.h"
#include "weights/mapped_file.h"

namespace kedge::router::retrieval {

// Rows of passages, vectors and words are numbered alike, from 1. `words` holds no text of its own but the terms of
// language.h, which FTS5 has only to part at the spaces.
const char* const kSchema = R"sql(
PRAGMA application_id = 1263092824;
PRAGMA user_version = 2;
CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE documents(row INTEGER PRIMARY KEY, source TEXT NOT NULL, format TEXT NOT NULL, sha256 TEXT NOT NULL,
                       n_bytes INTEGER NOT NULL, normalised INTEGER NOT NULL);
CREATE TABLE passages(row INTEGER PRIMARY KEY, id TEXT UNIQUE, document INTEGER NOT NULL, line INTEGER NOT NULL,
                      begin INTEGER NOT NULL, end INTEGER NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
                      metadata TEXT NOT NULL);
CREATE TABLE vectors(row INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE terms(term TEXT PRIMARY KEY, n_passages INTEGER NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(title, text, content='', tokenize='ascii');
)sql";
static_assert(kApplicationId == 1263092824 && kVersion == 2, "the numbers in kSchema");

namespace {

// Reading a row takes a few dozen steps, and a page of 4096 bytes has at most a few hundred rows.
constexpr int64_t kBaseSteps = 1'000'000;
constexpr int64_t kStepsPerPage = 20'000;

Error corrupt(const sqlite::Database& database, const std::string& what) {
  return {ErrorCode::kCorrupt, database.path() + ": " + what + "; build the index anew"};
}

template <class T>
Result<std::vector<T>> numbers(const sqlite::Database& database, const char* key) {
  KEDGE_ASSIGN(bytes, read_meta(database, key));
  if (bytes.size() % sizeof(T) != 0) return corrupt(database, std::string(key) + " is cut short");
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Status add_documents(const sqlite::Database& database, Sha256& digest, int64_t* n) {
  KEDGE_ASSIGN(rows, database.prepare("SELECT row, source, format, sha256, n_bytes FROM documents ORDER BY row"));
  while (true) {
    KEDGE_ASSIGN(more, rows.step());
    if (!more) return {};
    if (rows.integer(0) != ++*n) return corrupt(database, "document " + std::to_string(*n) + " is missing");
    for (const int column : {1, 2, 3}) digest.field(rows.view(column));
    digest.number(static_cast<uint64_t>(rows.integer(4)));
  }
}

Status add_passages(const sqlite::Database& database, Sha256& digest, int64_t n_documents, int64_t* n) {
  KEDGE_ASSIGN(rows, database.prepare("SELECT row, document, line, begin, end, id, title, text, metadata FROM passages "
                                      "ORDER BY row"));
  while (true) {
    KEDGE_ASSIGN(more, rows.step());
    if (!more) return {};
    if (rows.integer(0) != ++*n) return corrupt(database, "passage " + std::to_string(*n) + " is missing");
    if (rows.integer(1) < 1 || rows.integer(1) > n_documents) {
      return corrupt(database, "passage " + std::to_string(*n) + " is of document " + std::to_string(rows.integer(1)) +
                                   " of " + std::to_string(n_documents));
    }
    for (const int column : {1, 2, 3, 4}) digest.number(static_cast<uint64_t>(rows.integer(column)));
    for (const int column : {5, 6, 7, 8}) digest.field(rows.view(column));
  }
}

Status add_vectors(const sqlite::Database& database, Sha256& digest, Contents& contents, bool keep) {
  const size_t n_bytes = static_cast<size_t>(contents.dim) * sizeof(float);
  if (keep) contents.vectors.resize(static_cast<size_t>(contents.n_passages) * static_cast<size_t>(contents.dim));
  KEDGE_ASSIGN(rows, database.prepare("SELECT row, vector FROM vectors ORDER BY row"));
  int64_t n = 0;
  while (true) {
    KEDGE_ASSIGN(more, rows.step());
    if (!more) break;
    const std::string_view vector = rows.view(1);
    if (rows.integer(0) != ++n || n > contents.n_passages || vector.size() != n_bytes) {
      return corrupt(database, "vector " + std::to_string(n) + " is not one of " + std::to_string(contents.dim) +
                                   " floats that belongs to a passage");
    }
    digest.bytes(vector);
    if (!keep) continue;
    std::memcpy(contents.vectors.data() + static_cast<size_t>(n - 1) * static_cast<size_t>(contents.dim), vector.data(),
                n_bytes);
  }
  if (n == contents.n_passages) return {};
  return corrupt(database,
                 "has " + std::to_string(n) + " vectors for " + std::to_string(contents.n_passages) + " passages");
}

}  // namespace

Result<std::string> read_meta(const sqlite::Database& database, const char* key) {
  KEDGE_ASSIGN(row, database.prepare("SELECT value FROM meta WHERE key = ?1"));
  KEDGE_TRY(row.bind(sqlite::Text{key}));
  KEDGE_ASSIGN(found, row.step());
  if (!found) return corrupt(database, std::string("has no ") + key);
  return row.bytes(0);
}

Result<Contents> read_contents(const sqlite::Database& database, bool keep_vectors) {
  KEDGE_ASSIGN(n_pages, database.integer("PRAGMA page_count"));
  const sqlite::StepLimit limit(database, kBaseSteps + kStepsPerPage * n_pages);
  Contents contents;
  KEDGE_ASSIGN(fingerprint, read_meta(database, "fingerprint"));
  KEDGE_ASSIGN(model, read_meta(database, "model"));
  KEDGE_ASSIGN(words, read_meta(database, "passage_words"));
  KEDGE_ASSIGN(language_names, read_meta(database, "languages"));
  std::from_chars(words.data(), words.data() + words.size(), contents.passage_words);
  KEDGE_ASSIGN(counts, numbers<uint64_t>(database, "token_counts"));
  KEDGE_ASSIGN(mean, numbers<float>(database, "mean"));
  contents.dim = static_cast<int>(mean.size());
  Sha256 digest;
  digest.field("kedge index 2");
  digest.field(fingerprint);
  digest.field(language_names);
  digest.field(words);
  digest.field({reinterpret_cast<const char*>(counts.data()), counts.size() * sizeof(uint64_t)});
  digest.field({reinterpret_cast<const char*>(mean.data()), mean.size() * sizeof(float)});
  contents.fingerprint = std::move(fingerprint);
  contents.model = std::move(model);
  contents.languages = std::move(language_names);
  contents.counts = std::move(counts);
  contents.mean = std::move(mean);
  KEDGE_TRY(add_documents(database, digest, &contents.n_documents));
  KEDGE_TRY(add_passages(database, digest, contents.n_documents, &contents.n_passages));
  KEDGE_TRY(add_vectors(database, digest, contents, keep_vectors));
  contents.sha256 = digest.hex();
  if (auto recorded = read_meta(database, "sha256"); recorded.ok()) contents.recorded_sha256 = *std::move(recorded);
  return contents;
}

Result<bool> is_index_file(const std::string& path) {
  const auto none = [](const Error& why) { return why.code == ErrorCode::kCapacity ? Result<bool>(why) : false; };
  // Asked through SQLite with its locks: a descriptor of ours on a database that this process has open, an audit log
  // say, would drop them when it is closed.
  const auto database = sqlite::Database::open(path, sqlite::OpenMode::kReadOnly, 0);
  if (!database.ok()) return none(database.error());
  const auto id = database->integer("PRAGMA application_id");
  if (!id.ok()) return none(id.error());
  return *id == kApplicationId;
}

Result<sqlite::Database> open_index_file(const std::string& path) {
  KEDGE_ASSIGN(size, regular_file_size(path));
  KEDGE_ASSIGN(ours, is_index_file(path));
  if (size == 0 || !ours) return Error{ErrorCode::kCorrupt, path + ": is not a Kedge index"};
  KEDGE_ASSIGN(database, sqlite::Database::open(path, sqlite::OpenMode::kImmutable, 0));
  // The file may come from anywhere: its pages are checked as they are read.
  KEDGE_TRY(database.run("PRAGMA cell_size_check = ON; PRAGMA cache_size = -65536;"));
  KEDGE_ASSIGN(version, database.integer("PRAGMA user_version"));  // of the file's first page
  if (version != kVersion) {
    return Error{ErrorCode::kUnsupported, path + ": is not a Kedge index of version " + std::to_string(kVersion) +
                                              " but of version " + std::to_string(version) + "; build the index anew"};
  }
  KEDGE_ASSIGN(differences, sqlite::schema_differences(database, kSchema));
  if (!differences.empty()) {
    return Error{ErrorCode::kCorrupt, path + ": is not a Kedge index: " + differences.front()};
  }
  return database;
}

}  // namespace kedge::router::retrieval
