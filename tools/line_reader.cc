#include "tools/line_reader.h"

#include <unistd.h>

#include <cerrno>

namespace kedge::tools {

LineReader::Outcome LineReader::read(std::string& line) {
  for (;;) {
    const size_t end = pending_.find('\n');
    if (end != std::string::npos || (at_end_ && !pending_.empty())) {
      line = pending_.substr(0, end);
      pending_.erase(0, end == std::string::npos ? end : end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return Outcome::kLine;
    }
    if (at_end_) return Outcome::kEnd;
    char buffer[4096];
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n > 0) {
      pending_.append(buffer, static_cast<size_t>(n));
    } else if (n < 0 && errno == EINTR) {
      pending_.clear();
      return Outcome::kInterrupted;
    } else {
      at_end_ = true;
    }
  }
}

}  // namespace kedge::tools
