// The log: one JSON object a line. What people wrote, and what models answered, is never in it. A thread of its own
// writes it, so that a pipe nobody reads, or a slow disk, holds up no request.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "kernels/base/result.h"
#include "tools/serve/error.h"
#include "tools/serve/http/server.h"

namespace kedge::tools::serve {

class Log {
 public:
  Log();   // to standard error
  ~Log();  // what is waiting is written, if it can be at once
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // To a file, at its end, from now on; empty: to standard error. Again with the same name: whoever turns logs over has
  // moved it. On an error the log stays where it is.
  base::Status open(const std::string& path);
  // {"time", "event", and the members}.
  void event(std::string_view name, Json members);
  // {"time", "event": "request", "id", "peer", "method", "path", "status", "bytes", "ms", "gone", "trace", notes}.
  void request(const HttpDone& done);
  // Lines that found no room since the beginning; the log says so too when there is room again.
  size_t dropped() const;

 private:
  struct Target;
  struct Line {
    std::shared_ptr<Target> to;
    std::string text;
  };
  void add(const Json& line);
  void run();
  bool write(const Line& line);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Target> target_;
  std::deque<Line> lines_;
  size_t bytes_ = 0;  // of lines_
  size_t dropped_ = 0;
  size_t told_ = 0;  // of dropped_
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace kedge::tools::serve
