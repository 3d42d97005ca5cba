#include "kernels/base/log.h"

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace kedge::base {

namespace {

struct Log {
  std::shared_mutex mutex;
  LogSink sink = nullptr;
  void* user = nullptr;
  std::atomic<int> most{0};  // looked at without the lock: most messages are wanted by nobody
};

Log& the_log() {
  static Log log;
  return log;
}

}  // namespace

void set_log(LogSink sink, void* user, LogLevel most) noexcept {
  Log& log = the_log();
  const std::unique_lock lock(log.mutex);
  log.sink = sink;
  log.user = user;
  log.most = sink == nullptr ? 0 : static_cast<int>(most);
}

bool log_wanted(LogLevel level) noexcept {
  return static_cast<int>(level) <= the_log().most.load(std::memory_order_relaxed);
}

void log_message(LogLevel level, std::string_view text) noexcept {
  if (!log_wanted(level)) return;
  Log& log = the_log();
  const std::shared_lock lock(log.mutex);
  if (log.sink != nullptr) log.sink(log.user, static_cast<int>(level), text.data(), text.size());
}

}  // namespace kedge::base
