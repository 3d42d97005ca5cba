#include "tools/serve/signals.h"

#include <cstdlib>

namespace kedge::tools::serve {

Signals::Signals() {
  sigemptyset(&set_);
  for (const int s : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&set_, s);
  pthread_sigmask(SIG_BLOCK, &set_, &former_);
  signal(SIGPIPE, SIG_IGN);  // a client that has gone is an error of its connection
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow further is an error of the request
  thread_ = std::thread([this] { watch(); });
}

Signals::~Signals() {
  stop_ = true;
  pthread_kill(thread_.native_handle(), SIGHUP);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &former_, nullptr);
}

void Signals::watch() {
  while (true) {
    int came = 0;
    if (sigwait(&set_, &came) != 0) continue;
    if (stop_) return;
    if (!keep_ && came != SIGHUP) std::_Exit(128 + came);
    const std::lock_guard lock(mutex_);
    queue_.push_back(came);
    came_.notify_all();
  }
}

int Signals::next() {
  std::unique_lock lock(mutex_);
  came_.wait(lock, [&] { return !queue_.empty(); });
  const int out = queue_.front();
  queue_.pop_front();
  return out;
}

int Signals::next(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  if (!came_.wait_for(lock, most, [&] { return !queue_.empty(); })) return 0;
  const int out = queue_.front();
  queue_.pop_front();
  return out;
}

}  // namespace kedge::tools::serve
