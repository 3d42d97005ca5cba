// SQLite with errors as values and owners that clean up. Only what the audit log needs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace kedge::audit {

// A prepared statement. Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement() = default;

  // Rewinds the statement and binds the parameters in order: integers, Text or Blob.
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
  std::string bytes(int column) const;  // of a text or blob
  bool is_text(int column) const;
  bool is_blob(int column) const;
  bool is_integer(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* s) const;
  };
  Status bind_one(int index, int64_t value);
  Status bind_one(int index, const struct Text& value);
  Status bind_one(int index, const struct Blob& value);

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::string path_;
};

// How a parameter is bound. The bytes must live until the next bind or reset.
struct Text {
  std::string_view value;
};
struct Blob {
  std::string_view value;
};

enum class OpenMode { kReadOnly, kReadWrite };

class Database {
 public:
  // The file must exist. A read-only database whose folder cannot be written is opened all the same when no other
  // process has left a log beside it.
  static Result<Database> open(const std::string& path, OpenMode mode, int timeout_ms);

  Result<Statement> prepare(std::string_view sql) const;
  Status run(std::string_view sql) const;  // one statement without rows, or whose rows do not matter
  Result<int64_t> integer(std::string_view sql) const;
  Result<std::string> text(std::string_view sql) const;
  bool in_transaction() const;
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  static Result<Database> open_file(const std::string& path, const std::string& uri, int flags, int timeout_ms);

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

}  // namespace kedge::audit
