// Why a request's work has to end before its time, and what has to hear of it.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>

#include "kedge/kedge.hpp"

namespace kedge::tools::serve {

class Cancel {
 public:
  enum Reason { kNone, kGone, kDraining, kFailed };  // kFailed: another part of the request did

  // From any thread; the first reason stays.
  void now(Reason reason) {
    const std::lock_guard lock(mutex_);
    int none = kNone;
    reason_.compare_exchange_strong(none, reason);
    for (const auto& end : ends_) end();
  }
  Reason reason() const { return static_cast<Reason>(reason_.load()); }

  // While it lives `end` is called when the time comes, at once when it has come.
  class Hears {
   public:
    Hears(Cancel& cancel, std::function<void()> end) : cancel_(cancel) {
      const std::lock_guard lock(cancel_.mutex_);
      if (cancel_.reason() != kNone) end();
      at_ = cancel_.ends_.insert(cancel_.ends_.end(), std::move(end));
    }
    Hears(Cancel& cancel, kedge::Session& session) : Hears(cancel, [&session] { session.set_cancel(true); }) {}
    ~Hears() {
      const std::lock_guard lock(cancel_.mutex_);
      cancel_.ends_.erase(at_);
    }
    Hears(const Hears&) = delete;
    Hears& operator=(const Hears&) = delete;

   private:
    Cancel& cancel_;
    std::list<std::function<void()>>::iterator at_;
  };

 private:
  std::mutex mutex_;
  std::list<std::function<void()>> ends_;
  std::atomic<int> reason_{kNone};
};

}  // namespace kedge::tools::serve
