// The tokens a sampler may still choose from. Always in ascending id, so that every sum and every draw has one order
// and ties go to the lowest id whatever the filters did before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::engine {

struct Candidate {
  double logit;
  int32_t id;
};

// The order of preference: higher logit, then lower id.
inline bool better(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

class Candidates {
 public:
  // All tokens: logit i belongs to id i. `allowed`: bits of those that may come (engine/token_filter.h); empty: all.
  // Allocates only when there were never so many logits.
  void reset(std::span<const float> logits, std::span<const uint64_t> allowed = {});
  // Only the n best of the tokens allowed, n > 0, without a list of all. Those of `changed`, in ascending id, have the
  // logit given there; where that is infinite they are left out. False when one of the logits, allowed or not, is not
  // finite: what is held then means nothing.
  bool reset_to_best(std::span<const float> logits, std::span<const Candidate> changed, size_t n,
                     std::span<const uint64_t> allowed = {});

  size_t size() const { return items_.size(); }
  std::span<Candidate> items() { return items_; }
  std::span<const Candidate> items() const { return items_; }
  Candidate* find(int32_t id);  // null when filtered out

  const Candidate& best() const;  // size() must be positive
  // The n best (at most size()), best first. Valid until the next call.
  std::span<const Candidate> best(size_t n) { return rank(items_, n); }
  // The same of other candidates, in a buffer that is reused.
  std::span<const Candidate> rank(std::span<const Candidate> from, size_t n);

  // Probabilities are weight(logit, best) / total_weight(best): a softmax shifted by its maximum.
  static double weight(double logit, double best_logit);
  double total_weight(double best_logit) const;

  // Keeps those for which keep(candidate, index) is true.
  template <class Keep>
  void keep_if(Keep&& keep) {
    size_t n = 0;
    for (size_t i = 0; i < items_.size(); ++i) {
      if (keep(static_cast<const Candidate&>(items_[i]), i)) items_[n++] = items_[i];
    }
    items_.resize(n);
  }
  // Keeps `worst` and all that are better.
  void keep_from(const Candidate& worst) {
    keep_if([w = worst](const Candidate& c, size_t) { return !better(w, c); });
  }

  // Calls visit(candidate) from the best down until it returns false. Sorts no further than needed.
  template <class Visit>
  void descend(std::span<const Candidate> from, Visit&& visit) {
    size_t done = 0;
    for (size_t n = 128;; n *= 8) {
      const std::span<const Candidate> ranked = rank(from, n);
      for (; done < ranked.size(); ++done) {
        if (!visit(ranked[done])) return;
      }
      if (ranked.size() == from.size()) return;
    }
  }

 private:
  void offer(const Candidate& c, size_t n);
  void offer_run(std::span<const float> run, size_t first, uint64_t bits, size_t n);

  std::vector<Candidate> items_;
  std::vector<Candidate> ranked_;
};

}  // namespace kedge::engine
