// SQLite with Results. Errors name the database and what SQLite says: kIo, kCapacity (disk full, no memory), kCorrupt,
// kNotFound (no such file).
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/base/result.h"

namespace kedge::retrieval {

class Statement;

// Owns the connection. One thread at a time. Once a statement is prepared it has to stay where it is, and to outlive
// it.
class Database {
 public:
  Database() = default;
  // `flags` are those of sqlite3_open_v2. Read-only databases are opened as files that nobody changes: no locks, no
  // journal beside them.
  static Result<Database> open(const std::string& path, int flags);

  Status run(const char* sql);
  Result<Statement> prepare(const char* sql) const;
  const std::string& path() const { return path_; }
  void call_it(const std::string& name) { path_ = name; }  // in errors, when its file has a name nobody knows
  sqlite3* handle() const { return handle_.get(); }
  Error error(int code, const char* doing) const;

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

// A prepared statement. Values are bound from 1, columns read from 0. Bound text has to live until the next reset().
class Statement {
 public:
  Statement() = default;
  Statement(const Database& database, sqlite3_stmt* statement) : database_(&database), statement_(statement) {}

  Statement& bind(int at, std::string_view text);
  Statement& bind(int at, int64_t value);
  Statement& bind_blob(int at, const void* data, size_t size);
  Statement& bind_null(int at);
  // True when there is a row, false at the end.
  Result<bool> step();
  // For statements without rows: binds, steps, and is ready to be bound anew.
  Status execute();
  void reset();

  std::string_view text(int column) const;
  std::string_view blob(int column) const;
  int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  double real(int column) const { return sqlite3_column_double(statement_.get(), column); }
  bool is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  const Database* database_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bind_error_ = SQLITE_OK;
};

}  // namespace kedge::retrieval
