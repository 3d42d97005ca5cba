// The signals of a server, taken one by one on the thread that asks for them. Made before any other thread is, which
// all inherit that they are blocked.
#pragma once

#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace kedge::tools::serve {

class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The next one, SIGHUP, SIGINT or SIGTERM; 0 when the time is over.
  int next();
  int next(std::chrono::milliseconds most);
  // From now on SIGINT and SIGTERM wait for next(); until then they end the program at once, as while models load.
  void keep() { keep_ = true; }

 private:
  void watch();

  sigset_t set_{};
  sigset_t former_{};
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<int> queue_;
  std::atomic<bool> keep_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace kedge::tools::serve
