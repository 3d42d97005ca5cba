#include "router/retrieval/sqlite.h"

namespace kedge::retrieval {

namespace {

ErrorCode error_code(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return ErrorCode::kCapacity;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_CANTOPEN:
      return ErrorCode::kNotFound;
    default:
      return ErrorCode::kIo;
  }
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

}  // namespace

Result<Database> Database::open(const std::string& path, int flags) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument, "'" + path + "' is not a path a file can have"};
  }
  Database db;
  db.path_ = path;
  const bool read_only = (flags & SQLITE_OPEN_READONLY) != 0;
  // A plain path could be taken for a URI or for ":memory:".
  const std::string name = read_only ? immutable_uri(path) : path.starts_with('/') ? path : "./" + path;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags | (read_only ? SQLITE_OPEN_URI : 0), nullptr);
  db.handle_.reset(handle);
  if (code != SQLITE_OK) return db.error(code, "cannot open");
  return db;
}

Error Database::error(int code, const char* doing) const {
  const char* why = handle_ != nullptr ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  return Error{error_code(code), path_ + ": " + doing + ": " + why};
}

Status Database::run(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status() : Status(error(code, "SQLite failed"));
}

Result<Statement> Database::prepare(const char* sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return error(code, "SQLite failed");
  return Statement(*this, statement);
}

Statement& Statement::bind(int at, std::string_view text) {
  // A null pointer would bind NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  bind_error_ |= sqlite3_bind_text64(statement_.get(), at, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(int at, int64_t value) {
  bind_error_ |= sqlite3_bind_int64(statement_.get(), at, value);
  return *this;
}

Statement& Statement::bind_blob(int at, const void* data, size_t size) {
  bind_error_ |= sqlite3_bind_blob64(statement_.get(), at, data == nullptr ? "" : data, size, SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind_null(int at) {
  bind_error_ |= sqlite3_bind_null(statement_.get(), at);
  return *this;
}

Result<bool> Statement::step() {
  if (bind_error_ != SQLITE_OK) {
    return Error{ErrorCode::kCapacity, database_->path() + ": a value cannot be handed to SQLite"};
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = database_->error(code, "SQLite failed");
  reset();
  return error;
}

Status Statement::execute() {
  KEDGE_ASSIGN(row, step());
  (void)row;
  reset();
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bind_error_ = SQLITE_OK;
}

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string_view Statement::blob(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

}  // namespace kedge::retrieval
