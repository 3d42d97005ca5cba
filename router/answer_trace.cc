#include "router/answer_trace.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>

#include "engine/sampler_math.h"
#include "kernels/base/hex.h"

namespace kedge::router {
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

struct TopLogits {
  std::array<float, kTopMass> values;  // descending
  size_t best = 0;                     // the place of the first
};

// Of 256 logits, in 16 lanes: a loop that compilers vectorise.
float block_max(std::span<const float> block) {
  std::array<float, 16> lanes;
  lanes.fill(-INFINITY);
  size_t i = 0;
  for (; i + 16 <= block.size(); i += 16) {
    for (size_t j = 0; j < 16; ++j) lanes[j] = block[i + j] > lanes[j] ? block[i + j] : lanes[j];
  }
  for (; i < block.size(); ++i) lanes[0] = std::max(lanes[0], block[i]);
  return *std::max_element(lanes.begin(), lanes.end());
}

TopLogits top_logits(std::span<const float> logits) {
  constexpr size_t kBlock = 256;
  TopLogits top;
  top.values.fill(-INFINITY);
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const auto block = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    if (!(block_max(block) > top.values.back())) continue;
    for (size_t i = 0; i < block.size(); ++i) {
      if (!(block[i] > top.values.back())) continue;
      size_t at = kTopMass - 1;
      for (; at > 0 && top.values[at - 1] < block[i]; --at) top.values[at] = top.values[at - 1];
      top.values[at] = block[i];
      if (at == 0) top.best = begin + i;
    }
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

  const auto [top, best_token] = top_logits(logits);
  probabilities_.assign(logits.begin(), logits.end());
  kernels_.softmax(probabilities_.data(), static_cast<int>(probabilities_.size()));
  const double best = probabilities_[best_token];  // 1 / Z
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
  return "xxh3-128:" + hex(uint64_t{hash.high64}) + hex(uint64_t{hash.low64});
}

}  // namespace kedge::router
