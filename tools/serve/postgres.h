// A connection to PostgreSQL through libpq that can be left at any time: whoever ends the server waits for no other.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::tools::serve {

// Ends the waits it was given to, and those that come later.
class StopFlag {
 public:
  StopFlag();  // throws tools::Failure when the system has no descriptor left
  ~StopFlag();
  StopFlag(const StopFlag&) = delete;
  StopFlag& operator=(const StopFlag&) = delete;

  void set() const;
  int descriptor() const { return fd_; }  // readable once it is set
  // Sleeps. True: the flag is set.
  bool wait(std::chrono::milliseconds most) const;

 private:
  int fd_ = -1;
};

class Postgres {
 public:
  using Rows = std::vector<std::vector<std::string>>;  // a NULL is an empty text
  using Parameters = std::vector<std::string>;

  // What is wrong with a connection string ("host=... dbname=...", "postgresql://..."), in words; empty: nothing.
  static std::string problem(const std::string& url);

  // Errors: kIo with the server's or the network's words, kCancelled (`stop`).
  static base::Result<Postgres> connect(const std::string& url, const StopFlag& stop);
  // One statement whose $1, $2, ... are texts. After an error without an SQLSTATE the connection is of no more use.
  base::Result<Rows> query(const char* sql, const Parameters& parameters = {});
  bool good() const;

  ~Postgres();
  Postgres(Postgres&&) noexcept;
  Postgres& operator=(Postgres&&) noexcept;

 private:
  struct Connection;
  explicit Postgres(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace kedge::tools::serve
