// Notices a step of an engine that does not come to its end, and says which: in the log, in a metric, and to /readyz.
// It ends nothing: what a step is stuck in is for a person, or whoever restarts servers, to judge.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tools/serve/log.h"
#include "tools/serve/metrics.h"

namespace kedge::tools::serve {

class Watchdog {
 public:
  struct Watched {
    std::string model;
    Json busy;       // of kedge_engine_stats
    Json sequences;  // ids of those at work in it
  };
  using Look = std::function<std::vector<Watched>()>;

  // Looks several times within `limit`, on a thread of its own; 0: never. The others outlive it.
  Watchdog(Look look, std::chrono::milliseconds limit, Log& log, Metrics& metrics);
  ~Watchdog();
  void set_limit(std::chrono::milliseconds limit);

  // What takes too long, as of the last look; empty: nothing. No names of keys or sequences: it goes to whoever asks.
  std::string overdue() const;
  void check();  // a look

 private:
  void run();

  const Look look_;
  Log& log_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::chrono::milliseconds limit_;
  std::map<std::string, std::string> told_;  // by model: the step that the log has
  std::string words_;
  bool stop_ = false;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace kedge::tools::serve
