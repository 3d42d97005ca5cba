#include "tools/serve/admission.h"

namespace kedge::tools::serve {

Answer<std::unique_ptr<Admission::Place>> Admission::enter() { return take(1, true); }

Answer<std::unique_ptr<Admission::Place>> Admission::more(size_t n) { return take(n, false); }

Answer<std::unique_ptr<Admission::Place>> Admission::take(size_t n, bool first) {
  auto cancel = std::make_shared<Cancel>();
  const std::lock_guard lock(mutex_);
  if (first && draining_) {
    return ApiError{
        .status = 503, .code = "draining", .message = "the server is shutting down", .retry_after_ms = 2000};
  }
  if (taken_ + n > places_) {
    ++refused_;
    return ApiError{.status = 429,
                    .code = "queue_full",
                    .message = "all " + std::to_string(places_) + " places for requests are taken",
                    .type = "overloaded_error",
                    .retry_after_ms = 1000};
  }
  auto place = std::make_unique<Place>(*this, n, cancel);
  running_.insert(cancel.get());
  taken_ += n;
  return place;
}

void Admission::leave(size_t n, Cancel* cancel) {
  const std::lock_guard lock(mutex_);
  taken_ -= n;
  if (const auto found = running_.find(cancel); found != running_.end()) running_.erase(found);
}

void Admission::drain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
}

void Admission::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (Cancel* cancel : running_) cancel->now(Cancel::kDraining);
}

bool Admission::draining() const {
  const std::lock_guard lock(mutex_);
  return draining_;
}

size_t Admission::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

uint64_t Admission::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

}  // namespace kedge::tools::serve
