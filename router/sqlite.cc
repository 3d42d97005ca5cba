#include "router/sqlite.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "router/sqlite_fork.h"

namespace kedge::router::sqlite {

namespace {

ErrorCode error_code(int sqlite_code) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return ErrorCode::kCapacity;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_INTERRUPT:  // a limit on steps, which a sound file never needs
    case SQLITE_ERROR:      // our SQL is right: the file has not the tables or values it was written for
      return ErrorCode::kCorrupt;
    case SQLITE_FULL:  // the disk
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return ErrorCode::kIo;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      return ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kInternal;
  }
}

Error failure(const std::string& path, sqlite3* db) {
  const int code = sqlite3_extended_errcode(db);
  std::string message = path + ": " + sqlite3_errmsg(db);
  if ((code & 0xFF) == SQLITE_NOTADB) message = path + " is not an SQLite database";
  if (code == SQLITE_INTERRUPT) message = path + ": reading it takes more steps than a file of its kind can need";
  if ((code & 0xFF) == SQLITE_BUSY) message = path + ": another process holds the database";
  const int os_error = sqlite3_system_errno(db);
  const bool system = (code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN;
  if (system && os_error != 0) message += std::string(" (") + std::strerror(os_error) + ")";
  return {error_code(code), message};
}

// The path as a URI of a file that does not change while it is open.
std::string immutable_uri(const std::string& path) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string uri = path.starts_with('/') ? "file://" : "file:";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
                       c == '.' || c == '-' || c == '_';
    if (plain) {
      uri += c;
    } else {
      uri += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return uri + "?immutable=1";
}

// Whether SQLite cannot make the files it wants beside this one, and nobody else has left any.
bool lies_still(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  return ::access(path.c_str(), R_OK) == 0 && ::access(folder.c_str(), W_OK) != 0 &&
         ::access((path + "-wal").c_str(), F_OK) != 0;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
void Database::Close::operator()(sqlite3* db) const { close_own(db); }

Status Statement::bound(int code) const {
  if (code != SQLITE_OK) return failure(path_, sqlite3_db_handle(statement_.get()));
  return {};
}
Status Statement::bind_one(int index, int64_t value) {
  return bound(sqlite3_bind_int64(statement_.get(), index, value));
}
// A null pointer would bind NULL.
Status Statement::bind_one(int index, const Text& value) {
  const char* data = value.value.empty() ? "" : value.value.data();
  return bound(sqlite3_bind_text64(statement_.get(), index, data, value.value.size(), SQLITE_STATIC, SQLITE_UTF8));
}
Status Statement::bind_one(int index, const Blob& value) {
  const char* data = value.value.empty() ? "" : value.value.data();
  return bound(sqlite3_bind_blob64(statement_.get(), index, data, value.value.size(), SQLITE_STATIC));
}
Status Statement::bind_one(int index, const std::optional<Text>& value) {
  return value ? bind_one(index, *value) : bound(sqlite3_bind_null(statement_.get(), index));
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = failure(path_, sqlite3_db_handle(statement_.get()));
  reset();
  return error;
}

Status Statement::run() {
  KEDGE_ASSIGN(row, step());
  if (row) reset();
  return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }
std::string_view Statement::view(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int n = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), static_cast<size_t>(n));
}
std::string Statement::bytes(int column) const { return std::string(view(column)); }
bool Statement::is_text(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_TEXT; }
bool Statement::is_blob(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_BLOB; }
bool Statement::is_integer(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_INTEGER; }

Result<Database> Database::open_file(const std::string& path, const std::string& name, int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &raw, flags | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database db;
  db.path_ = path;
  db.db_.reset(raw);
  if (raw == nullptr) return Error{ErrorCode::kCapacity, path + ": out of memory"};
  if (code != SQLITE_OK) return failure(path, raw);
  return db;
}

// A database is outside data: its schema must not be able to do anything.
Status Database::guard() const {
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  KEDGE_ASSIGN(version, integer("PRAGMA schema_version"));  // reads the file: says what is wrong with it
  (void)version;
  return {};
}

Result<Database> Database::open(const std::string& path, OpenMode mode, int timeout_ms) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument, "'" + path + "' is not a path a file can have"};
  }
  const std::string file = path.starts_with('/') ? path : "./" + path;  // so that no name is special
  KEDGE_TRY(check_not_inherited(file));
  const auto open_as = [&](const std::string& name, int flags) -> Result<Database> {
    KEDGE_ASSIGN(db, open_file(path, name, flags));
    if ((flags & SQLITE_OPEN_URI) == 0) remember_open(db.handle(), file);  // an immutable file has no locks to lose
    sqlite3_busy_timeout(db.handle(), timeout_ms);
    if (mode != OpenMode::kFresh) KEDGE_TRY(db.guard());
    return db;
  };
  const auto open_immutable = [&] { return open_as(immutable_uri(file), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI); };
  if (mode == OpenMode::kImmutable) return open_immutable();
  if (mode != OpenMode::kReadOnly) return open_as(file, SQLITE_OPEN_READWRITE);
  auto db = open_as(file, SQLITE_OPEN_READONLY);
  if (!db.ok() && db.error().code == ErrorCode::kIo && lies_still(file)) {
    auto still = open_immutable();
    if (still.ok()) return still;
  }
  return db;
}

Error Database::error(int code, const char* doing) const {
  const bool latest = db_ != nullptr && sqlite3_extended_errcode(db_.get()) == code;
  return {error_code(code), path_ + ": " + doing + ": " + (latest ? sqlite3_errmsg(db_.get()) : sqlite3_errstr(code))};
}

Status Database::check_process() const {
  if (is_own(db_.get())) return {};
  return Error{ErrorCode::kInvalidArgument,
               path_ + ": was opened before this process was forked; SQLite allows no use of it here"};
}

Result<Statement> Database::prepare(std::string_view sql) const {
  KEDGE_TRY(check_process());
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v2(db_.get(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr);
  if (code != SQLITE_OK) return failure(path_, db_.get());
  Statement statement;
  statement.statement_.reset(raw);
  statement.path_ = path_;
  return statement;
}

Status Database::run(const std::string& sql) const {
  KEDGE_TRY(check_process());
  if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return failure(path_, db_.get());
  return {};
}

Result<int64_t> Database::integer(std::string_view sql) const {
  KEDGE_ASSIGN(statement, prepare(sql));
  KEDGE_ASSIGN(row, statement.step());
  if (!row) return Error{ErrorCode::kCorrupt, path_ + ": no answer to " + std::string(sql)};
  return statement.integer(0);
}

Result<std::string> Database::text(std::string_view sql) const {
  KEDGE_ASSIGN(statement, prepare(sql));
  KEDGE_ASSIGN(row, statement.step());
  if (!row) return Error{ErrorCode::kCorrupt, path_ + ": no answer to " + std::string(sql)};
  return statement.bytes(0);
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }

Result<Transaction> Transaction::begin(const Database& db, const char* kind) {
  KEDGE_TRY(db.run(kind));
  return Transaction(&db);
}

Status Transaction::commit() {
  KEDGE_TRY(db_->run("COMMIT"));
  db_ = nullptr;
  return {};
}

Transaction::~Transaction() {
  if (db_ == nullptr || !db_->in_transaction()) return;  // SQLite itself has rolled back after some errors
  const Status ignored = db_->run("ROLLBACK");           // fails only when there is nothing to roll back
  (void)ignored;
}

}  // namespace kedge::router::sqlite
