#include "kernels/base/at_once.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace kedge::base {

namespace {

class Turns {
 public:
  Turns(size_t n, const std::function<void(size_t)>& work) : n_(n), work_(work) {}

  void take() noexcept {
    for (size_t i = 0; next(i);) {
      try {
        work_(i);
      } catch (...) {
        fail();
      }
    }
  }
  void fail() noexcept {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
  void end() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  bool next(size_t& i) noexcept {
    const std::lock_guard lock(mutex_);
    if (failure_ || next_ == n_) return false;
    i = next_++;
    return true;
  }

  const size_t n_;
  const std::function<void(size_t)>& work_;
  std::mutex mutex_;
  size_t next_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

void at_once(size_t jobs, size_t n, const std::function<void(size_t i)>& work) {
  Turns turns(n, work);
  std::vector<std::thread> threads;
  try {
    threads.reserve(jobs);
    for (size_t i = 1; i < std::min(jobs, n); ++i) threads.emplace_back([&turns] { turns.take(); });
  } catch (...) {
    turns.fail();
  }
  turns.take();
  for (std::thread& t : threads) t.join();
  turns.end();
}

}  // namespace kedge::base
