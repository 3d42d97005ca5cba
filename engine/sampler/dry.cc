// DRY ("don't repeat yourself", p-e-w 2024): a token that would lengthen a repetition of what came before loses
// multiplier * base^(length of the repetition - allowed length). Repetitions do not reach across a breaker token.
#include <algorithm>
#include <array>

#include "engine/sampler_def.h"

namespace kedge::engine::samplers {
namespace {

constexpr std::array<SamplerSetting, 4> kSettings = {{
    {"dry_multiplier", 0.0, 0.0, 100.0, false, 0.0, "strength of the DRY repetition penalty; 0 = off"},
    {"dry_base", 1.75, 1.0, 100.0, false, kNeverOff, "growth of the DRY penalty per repeated token"},
    {"dry_allowed_length", 2, 1, kMaxCount, true, kNeverOff, "repetitions shorter than this cost nothing"},
    {"dry_penalty_last_n", 64, -1, kMaxCount, true, 0, "tokens DRY looks back on; -1 = all"},
}};

// Keeps a long repetition from turning a logit into an infinity.
constexpr double kMaxPenalty = 1e30;

bool active(std::span<const double> s) { return s[0] != 0.0 && s[3] != 0; }

double penalty(double multiplier, double base, size_t exponent) {
  double p = multiplier;
  for (; exponent > 0 && p < kMaxPenalty && base > 1.0; --exponent) p *= base;
  return std::min(p, kMaxPenalty);
}

// Tokens since the last breaker: no match may be longer.
size_t longest_allowed(std::span<const int32_t> recent, std::span<const uint8_t> is_breaker) {
  for (size_t i = 0; i < recent.size(); ++i) {
    const auto id = static_cast<size_t>(recent[recent.size() - 1 - i]);
    if (id < is_breaker.size() && is_breaker[id] != 0) return i;
  }
  return recent.size();
}

// z[k] = length of the common suffix of `recent` and `recent` without its last k tokens (the Z-algorithm, reversed).
void common_suffixes(std::span<const int32_t> recent, std::span<int32_t> z) {
  const size_t n = recent.size();
  const auto at = [&](size_t i) { return recent[n - 1 - i]; };
  size_t left = 0;
  size_t right = 0;  // [left, right) is the match that reaches farthest
  for (size_t k = 1; k < n; ++k) {
    size_t len = k < right ? std::min(right - k, static_cast<size_t>(z[k - left])) : 0;
    while (k + len < n && at(len) == at(k + len)) ++len;
    z[k] = static_cast<int32_t>(len);
    if (k + len > right) {
      left = k;
      right = k + len;
    }
  }
}

void apply(Candidates& candidates, SamplerContext& context) {
  const auto allowed = static_cast<size_t>(context.settings[2]);
  size_t n = context.history.size();
  if (context.settings[3] >= 0) n = std::min(n, static_cast<size_t>(context.settings[3]));
  if (n <= allowed) return;
  const auto recent = context.history.last(n);
  const size_t limit = longest_allowed(recent, context.is_breaker);
  if (limit < allowed) return;
  context.scratch.resize(2 * n);
  const std::span<int32_t> z(context.scratch.data(), n);
  common_suffixes(recent, z);
  // The earlier occurrences that count, by the token that came after; of one token the longest first.
  const std::span<int32_t> order(context.scratch.data() + n, n);
  size_t found = 0;
  const auto length = [&](int32_t k) { return std::min(static_cast<size_t>(z[static_cast<size_t>(k)]), limit); };
  const auto token = [&](int32_t k) { return recent[n - static_cast<size_t>(k)]; };
  for (int32_t k = 1; k < static_cast<int32_t>(n); ++k) {
    if (length(k) >= allowed) order[found++] = k;
  }
  std::sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(found),
            [&](int32_t a, int32_t b) { return token(a) != token(b) ? token(a) < token(b) : length(a) > length(b); });
  for (size_t i = 0; i < found; ++i) {
    if (i > 0 && token(order[i]) == token(order[i - 1])) continue;
    if (Candidate* c = candidates.find(token(order[i]))) {
      c->logit -= penalty(context.settings[0], context.settings[1], length(order[i]) - allowed);
    }
  }
}

}  // namespace

extern const SamplerDef dry;
constinit const SamplerDef dry = {
    .name = "dry",
    .rank = 20,
    .keeps_best = false,
    .settings = kSettings,
    .active = active,
    .apply = apply,
    .role = SamplerRole::kScale,
};

}  // namespace kedge::engine::samplers
