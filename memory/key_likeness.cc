// The keys of a sequence's tables against their mean direction.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "memory/choice.h"
#include "memory/sizes.h"

namespace kedge::memory {

namespace {

// The keys of a page as float32, [head_dim_k][32].
void load_keys(const KvLayout& l, const std::byte* page, float* keys) {
  const size_t n = to_size(l.head_dim_k) * kPageTokens;
  if (l.format == KvFormat::kF32) {
    std::memcpy(keys, page, n * sizeof(float));
  } else if (l.format == KvFormat::kF16) {
    // Exponents move by a multiplication: exact for all finite numbers, and a loop that becomes vectors.
    for (size_t i = 0; i < n; ++i) {
      uint16_t half;
      std::memcpy(&half, page + 2 * i, 2);
      const auto bits = static_cast<uint32_t>(half);
      const float size = std::bit_cast<float>((bits & 0x7FFFu) << 13) * 0x1p112f;
      keys[i] = std::bit_cast<float>(std::bit_cast<uint32_t>(size) | (bits & 0x8000u) << 16);
    }
  } else {
    float k[kMaxHeadDim];
    for (int t = 0; t < kPageTokens; ++t) {
      kv_load(l, page, t, k, nullptr);
      for (size_t d = 0; d < to_size(l.head_dim_k); ++d) keys[d * kPageTokens + to_size(t)] = k[d];
    }
  }
}

// One over the length of each of a page's first `n` keys; 0 where none is. Whatever lies in an empty slot is zero then.
void invert_lengths(float* keys, size_t d, size_t n, float* inverse) {
  float squares[kPageTokens] = {};
  for (size_t j = 0; j < d; ++j) {
    const float* row = keys + j * kPageTokens;
    for (size_t t = 0; t < kPageTokens; ++t) squares[t] += row[t] * row[t];
  }
  for (size_t t = 0; t < kPageTokens; ++t) {
    const bool there = t < n && squares[t] > 0;
    inverse[t] = there ? 1.0f / std::sqrt(squares[t]) : 0.0f;
    for (size_t j = 0; j < d && !there; ++j) keys[j * kPageTokens + t] = 0;
  }
}

}  // namespace

// Page by page, 32 tokens beside each other; the pages are read twice, which is cheaper than keeping them.
std::vector<float> key_likeness(const KvSequence& sequence, int table) {
  const KvLayout& layout = sequence.layout();
  const size_t n = to_size(sequence.slots(table));
  const size_t n_pages = pages_of(sequence.slots(table));
  const size_t d = to_size(layout.head_dim_k);
  alignas(64) float keys[kMaxHeadDim * kPageTokens];
  alignas(64) float sums[kMaxHeadDim * kPageTokens] = {};  // [d][32]: what the pages have in each place
  std::vector<float> likeness(n_pages * kPageTokens);      // at first one over the lengths
  for (size_t p = 0; p < n_pages; ++p) {
    load_keys(layout, sequence.table(table)[p], keys);
    float* inverse = likeness.data() + p * kPageTokens;
    invert_lengths(keys, d, n - p * kPageTokens, inverse);
    for (size_t j = 0; j < d; ++j) {
      const float* row = keys + j * kPageTokens;
      for (size_t t = 0; t < kPageTokens; ++t) sums[j * kPageTokens + t] += row[t] * inverse[t];
    }
  }
  float mean[kMaxHeadDim] = {};
  float length = 0;
  for (size_t j = 0; j < d; ++j) {
    for (size_t t = 0; t < kPageTokens; ++t) mean[j] += sums[j * kPageTokens + t];
    length += mean[j] * mean[j];
  }
  const float unit = length > 0 ? 1.0f / std::sqrt(length) : 0.0f;
  for (size_t p = 0; p < n_pages; ++p) {
    load_keys(layout, sequence.table(table)[p], keys);
    float dots[kPageTokens] = {};
    for (size_t j = 0; j < d; ++j) {
      const float* row = keys + j * kPageTokens;
      for (size_t t = 0; t < kPageTokens; ++t) dots[t] += row[t] * mean[j];
    }
    float* scale = likeness.data() + p * kPageTokens;
    for (size_t t = 0; t < kPageTokens; ++t) {
      const bool there = p * kPageTokens + t < n;
      scale[t] = there ? std::clamp(dots[t] * scale[t] * unit, -1.0f, 1.0f) : 0.0f;
    }
  }
  return likeness;
}

}  // namespace kedge::memory
