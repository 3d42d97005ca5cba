// Threads for what takes time, so that no I/O thread does: made when needed, ended when idle.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace kedge::tools::serve {

class Workers {
 public:
  explicit Workers(size_t most, std::chrono::milliseconds idle = std::chrono::seconds(30));
  ~Workers();  // stops
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Runs `work` on a thread of its own. False: all `most` are at work, or it was stopped; `work` has not been run then
  // and never waits in a queue. What `work` throws is lost.
  bool try_run(std::function<void()> work);
  size_t running() const;
  size_t threads() const;  // with those that are idle
  // Nothing new begins; waits for what runs.
  void stop();

 private:
  struct Worker;
  void work(Worker& self);

  const size_t most_;
  const std::chrono::milliseconds idle_;
  mutable std::mutex mutex_;
  std::list<Worker> workers_;
  std::vector<Worker*> free_;
  std::list<Worker> ended_;
  size_t running_ = 0;
  bool stopping_ = false;
  std::condition_variable changed_;
};

}  // namespace kedge::tools::serve
