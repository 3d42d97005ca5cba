#include "engine/candidates.h"

#include <algorithm>

#include "engine/sampler_math.h"

namespace kedge::engine {

void Candidates::reset(std::span<const float> logits) {
  items_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) items_[i] = {logits[i], static_cast<int32_t>(i)};
}

Candidate* Candidates::find(int32_t id) {
  const auto at = std::lower_bound(items_.begin(), items_.end(), id,
                                   [](const Candidate& c, int32_t wanted) { return c.id < wanted; });
  return at != items_.end() && at->id == id ? &*at : nullptr;
}

const Candidate& Candidates::best() const {
  const Candidate* best = items_.data();
  for (const Candidate& c : items_) {
    if (c.logit > best->logit) best = &c;  // the first of equals has the lowest id
  }
  return *best;
}

std::span<const Candidate> Candidates::rank(std::span<const Candidate> from, size_t n) {
  ranked_.resize(std::min(n, from.size()));
  std::partial_sort_copy(from.begin(), from.end(), ranked_.begin(), ranked_.end(), better);
  return ranked_;
}

double Candidates::weight(double logit, double best_logit) { return stable_exp(logit - best_logit); }

double Candidates::total_weight(double best_logit) const {
  double total = 0.0;
  for (const Candidate& c : items_) total += weight(c.logit, best_logit);
  return total;
}

}  // namespace kedge::engine
