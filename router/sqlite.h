// SQLite with errors as values and owners that clean up. Errors name the database and what SQLite says: kIo, kCapacity
// (disk full, no memory), kCorrupt (no database, or not the one the SQL was written for), kInvalidArgument (a value
// that breaks a constraint).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace kedge::router::sqlite {

// How a parameter is bound. The bytes must live until the next bind or reset.
struct Text {
  std::string_view value;
};
struct Blob {
  std::string_view value;
};

// A prepared statement. Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement() = default;

  // Rewinds the statement and binds the parameters in order: integers, Text, Blob, or std::optional<Text> (none: NULL).
  template <class... Values>
  Status bind(const Values&... values) {
    reset();
    int index = 0;
    Status status;
    ((status = status.ok() ? bind_one(++index, values) : std::move(status)), ...);
    return status;
  }
  Result<bool> step();  // true: a row is there; false: done, and rewound
  Status run();         // one step of a statement that returns no rows
  void reset();         // ends the read it may be in the middle of

  int64_t integer(int column) const;
  double real(int column) const;
  std::string bytes(int column) const;      // of a text or blob
  std::string_view view(int column) const;  // the same, until the next step, bind or reset
  bool is_text(int column) const;
  bool is_blob(int column) const;
  bool is_integer(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* s) const;
  };
  Status bind_one(int index, int64_t value);
  Status bind_one(int index, const Text& value);
  Status bind_one(int index, const Blob& value);
  Status bind_one(int index, const std::optional<Text>& value);
  Status bound(int code) const;

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::string path_;
};

enum class OpenMode {
  kReadOnly,  // what others may write meanwhile. Where the folder cannot be written and no other process has left a log
              // beside the file, it is read all the same.
  kReadWrite,  // what is there
  kImmutable,  // reads a file that nobody changes: no locks, no journal beside it
  kFresh,      // writes an empty file that is this process's own: no guards against what a file may hold
};

// Owns the connection. One thread at a time; a child process gets errors.
class Database {
 public:
  Database() = default;
  // The file must exist. `timeout_ms` is how long to wait for another process. Nobody may open the file in another way
  // while it is open here: closing any descriptor of it drops the locks this process has on it
  // (sqlite.org/howtocorrupt.html, 2.2).
  static Result<Database> open(const std::string& path, OpenMode mode, int timeout_ms);

  Result<Statement> prepare(std::string_view sql) const;
  Status run(const std::string& sql) const;  // statements without rows, or whose rows do not matter
  Result<int64_t> integer(std::string_view sql) const;
  Result<std::string> text(std::string_view sql) const;
  bool in_transaction() const;
  Status check_process() const;  // kInvalidArgument in a child of the process that opened it
  const std::string& path() const { return path_; }
  void call_it(std::string name) { path_ = std::move(name); }  // in errors, when its file has a name nobody knows

  // For what is not wrapped here; error() says what became of a call: "path: doing: why".
  sqlite3* handle() const { return db_.get(); }
  Error error(int code, const char* doing) const;

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  static Result<Database> open_file(const std::string& path, const std::string& name, int flags);
  Status guard() const;

  std::unique_ptr<sqlite3, Close> db_;
  std::string path_;
};

// Rolls back when it goes out of scope before commit() succeeded.
class Transaction {
 public:
  static Result<Transaction> begin(const Database& db, const char* kind);  // "BEGIN", "BEGIN IMMEDIATE"
  Status commit();
  ~Transaction();
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;

 private:
  explicit Transaction(const Database* db) : db_(db) {}
  const Database* db_;
};

}  // namespace kedge::router::sqlite
