#include "engine/candidates.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/logits.h"
#include "engine/sampler_math.h"
#include "engine/token_filter.h"

namespace kedge::engine {

namespace {

constexpr uint64_t kAll = ~uint64_t{0};

// Calls visit(i) for the bits that are set, in ascending order.
template <class Visit>
void for_each_bit(uint64_t bits, Visit&& visit) {
  for (; bits != 0; bits &= bits - 1) visit(static_cast<size_t>(std::countr_zero(bits)));
}

}  // namespace

void Candidates::reset(std::span<const float> logits, std::span<const uint64_t> allowed) {
  if (allowed.empty()) {
    items_.resize(logits.size());
    for (size_t i = 0; i < logits.size(); ++i) items_[i] = {logits[i], static_cast<int32_t>(i)};
    return;
  }
  items_.clear();
  items_.reserve(logits.size());  // once: a mask that allows more must not allocate
  for (size_t first = 0; first < logits.size(); first += 64) {
    const size_t n = std::min<size_t>(64, logits.size() - first);
    for_each_bit(allowed[first / 64] & (kAll >> (64 - n)), [&](size_t i) {
      items_.push_back({logits[first + i], static_cast<int32_t>(first + i)});
    });
  }
}

// While the best are looked for, items_ is a heap with the worst of them in front.
void Candidates::offer(const Candidate& c, size_t n) {
  if (items_.size() < n) {
    items_.push_back(c);
  } else {
    if (!better(c, items_.front())) return;
    std::pop_heap(items_.begin(), items_.end(), better);
    items_.back() = c;
  }
  std::push_heap(items_.begin(), items_.end(), better);
}

// Those of a run of at most 64 logits whose bits are set.
void Candidates::offer_run(std::span<const float> run, size_t first, uint64_t bits, size_t n) {
  if (bits == kAll) {  // the usual case, without looking for bits
    for (size_t i = 0; i < run.size(); ++i) offer({run[i], static_cast<int32_t>(first + i)}, n);
    return;
  }
  bits &= kAll >> (64 - run.size());
  for_each_bit(bits, [&](size_t i) { offer({run[i], static_cast<int32_t>(first + i)}, n); });
}

// Looks at 64 logits together, those of one word of `allowed`: few of these runs hold one that is good enough, and of a
// run that nothing is allowed of only the finiteness is looked at.
bool Candidates::reset_to_best(std::span<const float> logits, std::span<const Candidate> changed, size_t n,
                               std::span<const uint64_t> allowed) {
  items_.clear();
  items_.reserve(std::min(n, logits.size()));
  bool finite = true;
  size_t at = 0;
  for (size_t i = 0; i <= changed.size(); ++i) {
    const size_t end = i < changed.size() ? static_cast<size_t>(changed[i].id) : logits.size();
    while (at < end) {
      const std::span<const float> run = logits.subspan(at, std::min(64 - at % 64, end - at));
      const uint64_t bits = allowed.empty() ? kAll : allowed[at / 64] >> (at % 64);
      const Peak peak = peak_of(run);
      finite = finite && peak.finite;
      // Ids ascend: what is only as good as the worst so far comes too late.
      if (bits != 0 && (items_.size() < n || peak.highest > items_.front().logit)) offer_run(run, at, bits, n);
      at += run.size();
    }
    if (i == changed.size()) break;
    finite = finite && std::isfinite(logits[at]);
    const bool may = allowed.empty() || token_allowed(allowed, at);
    if (may && !std::isinf(changed[i].logit)) offer(changed[i], n);
    ++at;
  }
  std::sort(items_.begin(), items_.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  return finite;
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
