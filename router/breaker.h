// Stops asking a model that keeps failing, and says when its answers have become weaker than they used to be.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

#include "kernels/base/json.h"

namespace kedge::router {

struct BreakerOptions {
  int failures = 5;         // within the window open it,
  double share = 0.5;       // or this share of
  int least_attempts = 10;  // at least so many
  double window_s = 60;
  double open_s = 30;           // at first; doubled each time the probe fails,
  double longest_open_s = 300;  // up to this
  double weak_baseline = 0.1;   // share of weak answers that is usual
  double weak_factor = 3;       // so many times that is an alert,
  int weak_window = 200;        // over the last answers
};

// A circuit breaker (Nygard, Release It!): closed, open, and half-open for one probe. Counts attempts, not requests.
// Thread-safe.
class Breaker {
 public:
  using Seconds = std::function<double()>;  // monotonic

  explicit Breaker(const BreakerOptions& options = {}, Seconds now = steady_seconds);

  // Whether asking now would be refused.
  bool is_open() const;
  // Called right before asking; false: do not. While it is open and its time is over, one caller is let through as the
  // probe. Whoever was let through calls record().
  bool admit();
  void record(bool worked);
  // Held open, whatever works, until it is let go; which also forgets what failed and closes it.
  void hold();
  void let_go();
  void record_confidence(bool confident);  // of an answer; alerts only, never opens

  Json state() const;  // {"state": "closed"|"half_open"|"open"|"held", "failures", "attempts", "open_for_s",
                       // "weak_share", "alert"}

  static double steady_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

 private:
  struct Event {
    double at;
    bool worked;
  };
  void open(double now);
  void forget(double now);
  int failures() const;
  double weak_share() const;

  const BreakerOptions options_;
  const Seconds now_;
  mutable std::mutex mutex_;
  std::deque<Event> events_;  // within the window
  std::deque<bool> weak_;
  bool open_ = false;
  bool held_ = false;
  bool probing_ = false;
  double open_until_ = 0;
  double open_for_;  // the next time
};

}  // namespace kedge::router
