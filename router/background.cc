#include "router/background.h"

#include <system_error>
#include <utility>

namespace kedge::router {

Background::~Background() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
    cancel_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Background::push(Work work) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= most_) return false;
  if (!thread_.joinable()) {
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::system_error&) {
      return false;
    }
  }
  queue_.push_back(std::move(work));
  changed_.notify_all();
  return true;
}

void Background::settle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return end_ || (queue_.empty() && !busy_); });
}

size_t Background::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + (busy_ ? 1 : 0);
}

void Background::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return end_ || !queue_.empty(); });
    if (end_) return;
    {
      const Work work = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      try {
        work(cancel_);
      } catch (...) {  // memory ran out: that much is not known then
      }
    }  // what it held is let go of before anybody is told that it is done
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace kedge::router
