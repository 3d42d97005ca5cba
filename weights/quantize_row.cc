#include "weights/quantize_row.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace kedge::weights {
namespace {

// Scales are half-precision numbers: beyond what they reach the search for codes clips. Such a value stands above all
// that its block holds afterwards, by more than rounding to the coarsest codes does.
void count_clipped(const QuantFormat& to, std::span<const float> before, const std::vector<float>& after,
                   RowResult* r) {
  constexpr float kSurelyHeld = 4096;  // by every format
  constexpr float kRounding = 1.25f;
  const auto block = static_cast<size_t>(to.block_values);
  for (size_t begin = 0; begin < before.size(); begin += block) {
    const size_t end = std::min(begin + block, before.size());
    float most = 0;
    for (size_t i = begin; i < end; ++i) most = std::max(most, std::fabs(after[i]));
    for (size_t i = begin; i < end; ++i) {
      const float size = std::fabs(before[i]);
      if (std::isfinite(after[i]) && (size < kSurelyHeld || size <= kRounding * most)) continue;
      ++r->clipped;
      if (size <= std::fabs(r->largest)) continue;
      r->largest = before[i];
      r->became = after[i];
    }
  }
}

std::string number(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", double{value});
  return text;
}

std::string too_large(const RowResult& r, const QuantFormat& to) {
  return (r.clipped == 1 ? "a value is" : std::to_string(r.clipped) + " values are") + " too large for " + to.name +
         ": the largest, " + number(r.largest) + ", would become " + number(r.became) +
         "; F32 or BF16 hold it (an override for this tensor)";
}

}  // namespace

RowResult quantize_row(const QuantFormat& to, std::span<const float> before, const float* weights, std::byte* out,
                       std::vector<float>* after) {
  RowResult r;
  after->resize(before.size());
  for (const float v : before) r.finite = r.finite && std::isfinite(v);
  if (!r.finite) return r;
  to.quantise(before.data(), weights, out, before.size());
  to.dequantise(out, after->data(), before.size());
  for (size_t i = 0; i < before.size(); ++i) {
    const double e = double{(*after)[i]} - double{before[i]};
    r.squared_error += e * e;
    r.max_error = std::max(r.max_error, std::fabs(e));
  }
  count_clipped(to, before, *after, &r);
  return r;
}

std::string row_problem(const RowResult& result, const QuantFormat& to) {
  if (!result.finite) return "has a value that is not finite (NaN or infinite)";
  return result.clipped > 0 ? too_large(result, to) : "";
}

}  // namespace kedge::weights
