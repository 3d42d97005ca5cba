#include "tools/serve/workers.h"

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

namespace kedge::tools::serve {

struct Workers::Worker {
  std::condition_variable wake;
  std::function<void()> task;
  bool leave = false;
  std::thread thread;
};

Workers::Workers(size_t most, std::chrono::milliseconds idle) : most_(most), idle_(idle) {}

Workers::~Workers() { stop(); }

bool Workers::try_run(std::function<void()> work) {
  std::list<Worker> ended;
  std::unique_lock lock(mutex_);
  if (stopping_ || running_ >= most_) return false;
  ended.splice(ended.end(), ended_);
  if (!free_.empty()) {
    Worker* const worker = free_.back();
    free_.pop_back();
    worker->task = std::move(work);
    ++running_;
    worker->wake.notify_one();
  } else {
    try {
      free_.reserve(workers_.size() + 1);  // so that becoming idle cannot fail
      Worker& worker = workers_.emplace_back();
      worker.task = std::move(work);
      worker.thread = std::thread([this, &worker] { this->work(worker); });
      ++running_;
    } catch (const std::exception&) {  // no thread or no memory for one
      if (!workers_.empty() && !workers_.back().thread.joinable()) workers_.pop_back();
      lock.unlock();
      for (Worker& w : ended) w.thread.join();
      return false;
    }
  }
  lock.unlock();
  for (Worker& w : ended) w.thread.join();
  return true;
}

void Workers::work(Worker& self) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (self.task) {
      std::function<void()> task = std::exchange(self.task, nullptr);
      lock.unlock();
      try {
        task();
      } catch (...) {  // NOLINT(bugprone-empty-catch): whoever gave it has a reply to let go, which says so
      }
      task = nullptr;  // what it holds goes before the place is free
      lock.lock();
      --running_;
      free_.push_back(&self);
      changed_.notify_all();
    }
    if (!self.leave) self.wake.wait_for(lock, idle_, [&] { return self.task || self.leave; });
    if (self.task) continue;
    break;  // idle for long, or at the end
  }
  std::erase(free_, &self);
  const auto at = std::find_if(workers_.begin(), workers_.end(), [&](const Worker& w) { return &w == &self; });
  ended_.splice(ended_.end(), workers_, at);
  changed_.notify_all();
}

size_t Workers::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

size_t Workers::threads() const {
  const std::lock_guard lock(mutex_);
  return workers_.size();
}

void Workers::stop() {
  std::list<Worker> ended;
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (Worker& w : workers_) {
    w.leave = true;
    w.wake.notify_one();
  }
  changed_.wait(lock, [&] { return workers_.empty(); });
  ended.splice(ended.end(), ended_);
  lock.unlock();
  for (Worker& w : ended) w.thread.join();
}

}  // namespace kedge::tools::serve
