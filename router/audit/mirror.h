// A second copy of the anchor in another place: another disk, a folder others keep. Who puts database and anchor back
// to an older state together is found by it.
#pragma once

#include <string>
#include <string_view>

#include "router/audit/anchor.h"
#include "router/sqlite.h"

namespace kedge::router::audit {

class Mirror {
 public:
  // Makes the file when there is none. Errors: kIo (also: not a file of this user's alone), kInvalidArgument (it is one
  // of the log's own files).
  static Result<Mirror> open(const std::string& path, const std::string& db);

  // Under the anchor's exclusive lock. Adds the heads that the mirror has not: all of them to a new one, and those that
  // were written while it could not be reached. Errors: kIo; kCorrupt (a mirror of another log, or one with heads that
  // the database has not: that was put back to an older state).
  Status catch_up(const sqlite::Database& db, std::string_view genesis) const;

 private:
  explicit Mirror(Anchor file) : file_(std::move(file)) {}

  Anchor file_;
};

// Whether two paths are one file; false when one of them is not there.
bool same_file(const std::string& a, const std::string& b);
// kInvalidArgument when `path` is one of the files of the log `db`: it must not be opened as anything else.
Status check_outside(const std::string& path, const std::string& db);

}  // namespace kedge::router::audit
