// A sink that several threads may speak to: one at a time, begun with the first thing there is to say, silent after the
// end.
#pragma once

#include <memory>
#include <mutex>

#include "tools/serve/job.h"

namespace kedge::tools::serve {

class Speaker {
 public:
  explicit Speaker(std::unique_ptr<Sink> sink) : sink_(std::move(sink)) {}

  // What will be said first. Until something else is there to say an error still has a status of its own.
  void prepare(const Started& started) {
    const std::lock_guard lock(mutex_);
    started_ = started;
    prepared_ = true;
  }
  bool begin() {
    const std::lock_guard lock(mutex_);
    return begun();
  }
  bool progress(size_t done, size_t total) {
    const std::lock_guard lock(mutex_);
    return begun() && sink_->progress(done, total);
  }
  bool text(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) {
    const std::lock_guard lock(mutex_);
    return begun() && sink_->text(choice, text, tokens);
  }
  bool reasoning(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) {
    const std::lock_guard lock(mutex_);
    return begun() && sink_->reasoning(choice, text, tokens);
  }
  bool call(size_t choice, const ToolCall& call, std::span<const TokenInfo> tokens) {
    const std::lock_guard lock(mutex_);
    return begun() && sink_->call(choice, call, tokens);
  }
  bool arguments(size_t choice, std::string_view json, std::span<const TokenInfo> tokens) {
    const std::lock_guard lock(mutex_);
    return begun() && sink_->arguments(choice, json, tokens);
  }
  bool refused(size_t choice, std::string_view why) {
    const std::lock_guard lock(mutex_);
    return begun() && sink_->refused(choice, why);
  }
  bool finished(size_t choice, const Finish& finish) {
    const std::lock_guard lock(mutex_);
    return begun() && sink_->finished(choice, finish);
  }
  bool superseded(size_t choice, size_t by, std::string_view reason) {
    const std::lock_guard lock(mutex_);
    return begun() && sink_->superseded(choice, by, reason);
  }
  bool can_supersede() const { return sink_->can_supersede(); }
  void done(const Outcome& outcome) {
    const std::lock_guard lock(mutex_);
    if (!begun()) return;
    ended_ = true;
    sink_->done(outcome);
  }
  void failed(const ApiError& error) {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    sink_->failed(error);
  }
  // Nothing has come for a while. Does not wait for somebody who is speaking. `whole`: also where an answer is said as
  // a whole.
  void quiet(bool whole) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock() && prepared_ && (whole || !sink_->is_whole()) && begun()) sink_->ping();
  }

 private:
  bool begun() {
    if (ended_) return false;
    if (!begun_) good_ = sink_->started(started_);
    begun_ = true;
    return good_;
  }

  std::mutex mutex_;
  const std::unique_ptr<Sink> sink_;
  Started started_;
  bool prepared_ = false;
  bool begun_ = false;
  bool good_ = false;
  bool ended_ = false;
};

}  // namespace kedge::tools::serve
