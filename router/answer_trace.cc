#include "router/answer_trace.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "engine/sampler_math.h"

namespace kedge {
namespace {

// -sum p log p with log p = (logit - best) - log Z, in 16 lanes that are added in order: one definition on every
// machine.
double entropy(std::span<const float> logits, std::span<const float> p, float best, double log_total) {
  std::array<double, 16> lanes{};
  size_t i = 0;
  for (; i + 16 <= logits.size(); i += 16) {
    for (size_t j = 0; j < 16; ++j) lanes[j] += static_cast<double>(p[i + j]) * (logits[i + j] - best);
  }
  for (; i < logits.size(); ++i) lanes[0] += static_cast<double>(p[i]) * (logits[i] - best);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return std::max(0.0, log_total - sum);
}

// The largest logits, in descending order.
std::array<float, kTopMass> top_logits(std::span<const float> logits) {
  std::array<float, kTopMass> top;
  top.fill(-INFINITY);
  for (const float l : logits) {
    if (!(l > top.back())) continue;
    size_t at = top.size() - 1;
    for (; at > 0 && top[at - 1] < l; --at) top[at] = top[at - 1];
    top[at] = l;
  }
  return top;
}

}  // namespace

void TraceCollector::clear() {
  tokens_.clear();
  row_hashes_.clear();
}

void TraceCollector::add(std::span<const float> logits, int32_t token) {
  const XXH128_hash_t hash = XXH3_128bits(logits.data(), logits.size_bytes());
  row_hashes_.push_back(hash.low64);
  row_hashes_.push_back(hash.high64);

  const auto top = top_logits(logits);
  probabilities_.assign(logits.begin(), logits.end());
  kernels_.softmax(probabilities_.data(), static_cast<int>(probabilities_.size()));
  const double best = *std::max_element(probabilities_.begin(), probabilities_.end());  // 1 / Z
  const double log_total = -stable_log(std::max(best, 1e-30));
  TokenStats t{.token = token};
  t.logprob = std::min(0.0, static_cast<double>(logits[static_cast<size_t>(token)]) - top[0] - log_total);
  t.margin = static_cast<double>(top[0]) - top[1];
  t.entropy = entropy(logits, probabilities_, top[0], log_total);
  for (const float l : top) t.top_mass += best * stable_exp(static_cast<double>(l) - top[0]);
  tokens_.push_back(t);
}

std::string TraceCollector::logits_hash() const {
  const XXH128_hash_t hash = XXH3_128bits(row_hashes_.data(), row_hashes_.size() * sizeof(uint64_t));
  char text[48];
  std::snprintf(text, sizeof text, "xxh3-128:%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text;
}

}  // namespace kedge
