#include "router/breaker.h"

#include <algorithm>

namespace kedge::router {

Breaker::Breaker(const BreakerOptions& options, Seconds now)
    : options_(options), now_(std::move(now)), open_for_(options.open_s) {}

bool Breaker::is_open() const {
  const std::lock_guard lock(mutex_);
  return held_ || (open_ && (probing_ || now_() < open_until_));
}

bool Breaker::admit() {
  const std::lock_guard lock(mutex_);
  if (held_) return false;
  if (!open_) return true;
  if (probing_ || now_() < open_until_) return false;
  probing_ = true;
  return true;
}

void Breaker::record(bool worked) {
  const std::lock_guard lock(mutex_);
  const double now = now_();
  if (open_) {
    if (!probing_) return;  // begun before it opened
    probing_ = false;
    if (!worked) return open(now);
    open_ = false;
    open_for_ = options_.open_s;
    events_.clear();
    return;
  }
  forget(now);
  events_.push_back({now, worked});
  const int failed = failures();
  const auto n = static_cast<int>(events_.size());
  if (failed >= options_.failures || (n >= options_.least_attempts && failed >= options_.share * n)) open(now);
}

void Breaker::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void Breaker::let_go() {
  const std::lock_guard lock(mutex_);
  held_ = open_ = probing_ = false;
  open_for_ = options_.open_s;
  events_.clear();
}

void Breaker::open(double now) {
  open_ = true;
  open_until_ = now + open_for_;
  open_for_ = std::min(2 * open_for_, options_.longest_open_s);
}

void Breaker::forget(double now) {
  while (!events_.empty() && events_.front().at < now - options_.window_s) events_.pop_front();
}

int Breaker::failures() const {
  return static_cast<int>(std::count_if(events_.begin(), events_.end(), [](const Event& e) { return !e.worked; }));
}

void Breaker::record_confidence(bool confident) {
  const std::lock_guard lock(mutex_);
  weak_.push_back(!confident);
  if (weak_.size() > static_cast<size_t>(options_.weak_window)) weak_.pop_front();
}

double Breaker::weak_share() const {
  if (weak_.empty()) return 0;
  return static_cast<double>(std::count(weak_.begin(), weak_.end(), true)) / static_cast<double>(weak_.size());
}

Json Breaker::state() const {
  const std::lock_guard lock(mutex_);
  const double now = now_();
  const bool full = weak_.size() >= static_cast<size_t>(options_.weak_window);
  return {{"state", held_                            ? "held"
                    : !open_                         ? "closed"
                    : probing_ || now >= open_until_ ? "half_open"
                                                     : "open"},
          {"failures", failures()},
          {"attempts", events_.size()},
          {"open_for_s", open_ ? std::max(0.0, open_until_ - now) : 0.0},
          {"weak_share", weak_share()},
          {"alert", full && weak_share() > options_.weak_factor * options_.weak_baseline}};
}

}  // namespace kedge::router
