#include "engine/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/base/ordered_math.h"

namespace kedge::engine {

namespace {

// The (fractional) pair whose wavelength makes `rotations` turns over the trained context.
float correction_pair(const RopeConfig& c, float rotations) {
  const double context = c.original_context;
  return static_cast<float>(c.n_rot * ordered_log(context / (rotations * 2.0 * std::numbers::pi)) /
                            (2.0 * ordered_log(c.base)));
}

}  // namespace

RopeTable make_rope_table(const RopeConfig& c, const float* divisors) {
  RopeTable table;
  table.layout = c.layout;
  const int pairs = c.n_rot / 2;
  table.frequency.resize(static_cast<size_t>(pairs));
  float low = 0;
  float high = 0;
  if (c.scaling == RopeScaling::kYarn) {
    low = std::max(std::floor(correction_pair(c, c.beta_fast)), 0.0f);
    high = std::min(std::ceil(correction_pair(c, c.beta_slow)), static_cast<float>(c.n_rot - 1));
    if (high <= low) high = low + 0.001f;
    const bool corrected = c.yarn_magnitude && c.factor > 1;
    table.magnitude = c.attn_factor * (corrected ? 0.1f * static_cast<float>(ordered_log(c.factor)) + 1.0f : 1.0f);
  }
  if (c.scaling == RopeScaling::kLong) table.magnitude = c.attn_factor;
  const double log_base = ordered_log(c.base);
  for (int i = 0; i < pairs; ++i) {
    const double exponent = static_cast<double>(2 * i) / c.n_rot;
    auto f = static_cast<float>(ordered_exp(-exponent * log_base));
    if (divisors != nullptr) f /= divisors[i];
    if (c.scaling == RopeScaling::kLinear) {
      f /= c.factor;
    } else if (c.scaling == RopeScaling::kYarn) {
      const float ramp = std::clamp((static_cast<float>(i) - low) / (high - low), 0.0f, 1.0f);
      const float extrapolate = (1.0f - ramp) * c.ext_factor;  // share of the untouched frequency
      f = f / c.factor * (1.0f - extrapolate) + f * extrapolate;
    }
    table.frequency[static_cast<size_t>(i)] = f;
  }
  return table;
}

void RopeTable::fill(int position, float* cos_sin) const {
  for (size_t i = 0; i < frequency.size(); ++i) {
    const float angle = static_cast<float>(position) * frequency[i];
    const CosSin turn = ordered_cos_sin(angle);
    cos_sin[2 * i] = static_cast<float>(turn.cos) * magnitude;
    cos_sin[2 * i + 1] = static_cast<float>(turn.sin) * magnitude;
  }
}

}  // namespace kedge::engine
