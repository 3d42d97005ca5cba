// The registry of eviction policies and what they share.
#include <algorithm>
#include <numeric>

#include "kernels/base/names.h"
#include "memory/eviction/policy.h"

namespace kedge::memory {

#define KEDGE_ENTRY(name) const EvictionPolicy& name##_policy();
#include "registry/policies.inc"
#undef KEDGE_ENTRY

namespace {

struct Entry {
  std::string_view stem;
  const EvictionPolicy& (*get)();
};
constexpr Entry kEntries[] = {
#define KEDGE_ENTRY(name) {#name, &name##_policy},
#include "registry/policies.inc"
#undef KEDGE_ENTRY
};

}  // namespace

const EvictionPolicy* find_policy(std::string_view name) {
  for (const Entry& e : kEntries) {
    if (same_name(e.stem, name)) return &e.get();
  }
  return nullptr;
}

std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (const Entry& e : kEntries) {
    std::string& name = names.emplace_back(e.stem);
    std::replace(name.begin(), name.end(), '_', '-');
  }
  return names;
}

std::vector<int32_t> lowest(std::span<const Rank> ranks, size_t n) {
  std::vector<int32_t> order(ranks.size());
  std::iota(order.begin(), order.end(), 0);
  n = std::min(n, ranks.size());
  const auto before = [&](int32_t a, int32_t b) {
    const Rank& x = ranks[static_cast<size_t>(a)];
    const Rank& y = ranks[static_cast<size_t>(b)];
    if (x.tier != y.tier) return x.tier < y.tier;
    if (x.score != y.score) return x.score < y.score;
    return a < b;
  };
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end(), before);
  order.resize(n);
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<uint32_t> pooled(std::span<const uint32_t> score, int width) {
  const auto half = static_cast<size_t>(width / 2);
  std::vector<uint32_t> out(score.size());
  for (size_t i = 0; i < score.size(); ++i) {
    const size_t begin = i > half ? i - half : 0;
    const size_t end = std::min(i + half + 1, score.size());
    out[i] = *std::max_element(score.begin() + static_cast<std::ptrdiff_t>(begin),
                               score.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return out;
}

uint32_t random_of(uint64_t key, int32_t position) {
  // SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection that mixes all bits.
  uint64_t z = key + 0x9E3779B97F4A7C15u * (static_cast<uint64_t>(static_cast<uint32_t>(position)) + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
}

}  // namespace kedge::memory
