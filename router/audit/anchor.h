// The anchor: <db>.heads, a line for every commit, written after it. A database that was cut short or replaced by an
// older copy of itself is behind its anchor. The file is also the lock that orders writers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/audit/file.h"
#include "router/audit/head.h"

namespace kedge::router::audit {

std::string anchor_header(std::string_view genesis);  // its first line

class Anchor {
 public:
  explicit Anchor(File file) : file_(std::move(file)) {}
  const File& file() const { return file_; }

  // The calls below want the exclusive lock.
  struct Tail {
    bool has_header = false;
    std::optional<Head> last;  // of the complete lines
    std::string torn;          // what stands behind the last line end: a crash in the middle of a line
  };
  // Checks the first line, reads the last. Errors: kCorrupt.
  Result<Tail> tail(std::string_view genesis) const;
  Status cut(const Tail& tail) const;          // removes what is torn
  Status append(std::string_view line) const;  // durable when it returns

 private:
  File file_;
};

}  // namespace kedge::router::audit
