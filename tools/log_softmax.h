// The negative log-probability of one token by a row of logits: what perplexity is made of.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>

namespace kedge::tools {

// exp(x) for x <= 0 to about 2e-7 relative; loops over it vectorise, which matters with 150 000 logits a token.
// exp(x) = 2^n * p(r), n the nearest integer to x / ln 2, p the Taylor polynomial of degree 6 on |r| <= ln(2)/2.
inline float exp_of_nonpositive(float x) {
  const float clamped = std::max(x, -87.0f);
  const float shifted = clamped * 1.44269504f + 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer
  const float n = shifted - 12582912.0f;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const auto bits = std::bit_cast<uint32_t>(p) + (std::bit_cast<uint32_t>(shifted) << 23);
  return std::bit_cast<float>(bits);
}

inline double negative_log_probability(std::span<const float> logits, int32_t token) {
  constexpr size_t kLanes = 16;
  float highest[kLanes];
  std::fill(highest, highest + kLanes, -INFINITY);
  const size_t whole = logits.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) highest[l] = highest[l] < logits[i + l] ? logits[i + l] : highest[l];
  }
  float top = *std::max_element(highest, highest + kLanes);
  for (size_t i = whole; i < logits.size(); ++i) top = std::max(top, logits[i]);

  // Float sums of at most 64 terms a lane, collected in double.
  double sum = 0;
  for (size_t begin = 0; begin < whole; begin += 64 * kLanes) {
    float lanes[kLanes] = {};
    const size_t end = std::min(whole, begin + 64 * kLanes);
    for (size_t i = begin; i < end; i += kLanes) {
      for (size_t l = 0; l < kLanes; ++l) lanes[l] += exp_of_nonpositive(logits[i + l] - top);
    }
    for (const float lane : lanes) sum += static_cast<double>(lane);
  }
  for (size_t i = whole; i < logits.size(); ++i) sum += static_cast<double>(exp_of_nonpositive(logits[i] - top));
  return std::log(sum) + static_cast<double>(top) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

}  // namespace kedge::tools
