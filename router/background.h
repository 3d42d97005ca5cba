// Work that nobody waits for: one thread, made for the first of it, takes it in order.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "kernels/base/rooms.h"

namespace kedge::router {

// Thread-safe.
class Background {
 public:
  explicit Background(size_t most) : most_(most) {}
  ~Background();  // what is under way is cancelled and waited for, the rest is forgotten
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // False: as much as may wait is waiting, or there is no thread to be had, and this is not done. `cancel` is set when
  // the work should end early; what it throws is lost.
  using Work = std::function<void(const std::atomic<bool>& cancel)>;
  bool push(Work work);
  // Returns when everything pushed so far is done.
  void settle();
  size_t waiting() const;

 private:
  void run();

  const size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
  bool busy_ = false;
  bool end_ = false;
  std::atomic<bool> cancel_{false};
  std::thread thread_;
};

}  // namespace kedge::router
