// Attention over pages in ascending order: an online softmax per chunk, one rescale per page, chunks merged in order.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "kernels/base/float16.h"
#include "kernels/reference/reference.h"

namespace kedge::kernels::reference {

namespace {

template <class T>
T load(const std::byte* p, size_t i) {
  T v;
  std::memcpy(&v, p + i * sizeof(T), sizeof(T));
  return v;
}

float element(KvFormat format, const std::byte* matrix, size_t i) {
  return format == KvFormat::kF32 ? load<float>(matrix, i) : f16_to_f32(load<uint16_t>(matrix, i));
}

// Codes of a quantised page.
int key_code(const KvLayout& l, const std::byte* page, int i, int t) {
  if (l.format == KvFormat::kQ8_0) {
    return load<uint8_t>(page, static_cast<size_t>(((i / 4) * kPageTokens + t) * 4 + i % 4)) - 128;
  }
  const int pair = load<uint8_t>(page, static_cast<size_t>(((i / 8) * kPageTokens + t) * 4 + i % 4));
  return (i % 8 < 4 ? pair & 15 : pair >> 4) - 8;
}
int value_code(const KvLayout& l, const std::byte* codes, size_t at) {
  if (l.format == KvFormat::kQ8_0) return load<int8_t>(codes, at);
  const int pair = load<uint8_t>(codes, at / 32 * 16 + at % 16);
  return (at % 32 < 16 ? pair & 15 : pair >> 4) - 8;
}

float score(const KvLayout& l, const std::byte* page, int t, const float* q, const int8_t* q8, const float* dq) {
  float acc = 0.0f;
  if (!is_quantised(l.format)) {
    for (int i = 0; i < l.head_dim_k; ++i) {
      acc = std::fma(q[i], element(l.format, page, static_cast<size_t>(i) * kPageTokens + static_cast<size_t>(t)), acc);
    }
    return acc;
  }
  for (int b = 0; b < l.head_dim_k / 32; ++b) {
    int32_t isum = 0;
    for (int i = b * 32; i < b * 32 + 32; ++i) isum += q8[i] * key_code(l, page, i, t);
    const float dk = f16_to_f32(load<uint16_t>(page + l.k_scales(), static_cast<size_t>(b * kPageTokens + t)));
    acc = std::fma(static_cast<float>(isum), dq[b] * dk, acc);
  }
  return acc;
}

// Quantised: code times scale, exact, for that is at most 8 bits times 11.
float key_value(const KvLayout& l, const std::byte* page, int t, int i) {
  if (!is_quantised(l.format)) return element(l.format, page, static_cast<size_t>(i * kPageTokens + t));
  const auto scale = load<uint16_t>(page + l.k_scales(), static_cast<size_t>(i / 32 * kPageTokens + t));
  return static_cast<float>(key_code(l, page, i, t)) * f16_to_f32(scale);
}
float value_of(const KvLayout& l, const std::byte* page, int t, int i) {
  if (l.v_in_k) return key_value(l, page, t, i);
  const std::byte* v = page + l.v_offset();
  const auto at = static_cast<size_t>(t * l.head_dim_v + i);
  if (!is_quantised(l.format)) return element(l.format, v, at);
  return static_cast<float>(value_code(l, v, at)) * f16_to_f32(load<uint16_t>(page + l.v_scales(), at / 32));
}

void accumulate_value(const KvLayout& l, const std::byte* page, int t, float p, float* acc) {
  for (int i = 0; i < l.head_dim_v; ++i) acc[i] = std::fma(p, value_of(l, page, t, i), acc[i]);
}

// What a row has seen: the largest score, sum and values weighted by exp(score - max).
struct State {
  float max = -std::numeric_limits<float>::infinity();
  float sum = 0.0f;
  float acc[kMaxHeadDim] = {};
};

// Pages of `chunk` that the row sees.
struct PageRange {
  int first;
  int last;
};
PageRange pages_of(const AttendRows& a, int row, int chunk) {
  return {std::max(a.begin[row] / kPageTokens, chunk * kChunkPages),
          std::min((a.end[row] + kPageTokens - 1) / kPageTokens, (chunk + 1) * kChunkPages)};
}

float* tokens_of(const AttendRows& a, int row, int p) {
  return a.token_mass + static_cast<size_t>(row) * a.token_mass_stride + static_cast<size_t>(p) * kPageTokens;
}

// Multiplies what the tokens of pages [first, last) have been given of the row's softmax by `factor`.
void scale_masses(const AttendRows& a, int row, int first, int last, float factor) {
  if (a.token_mass == nullptr) return;
  for (int p = first; p < last; ++p) {
    float* tokens = tokens_of(a, row, p);
    for (int t = 0; t < kPageTokens; ++t) tokens[t] *= factor;
  }
}

// Masses start as the tokens' weights, relative to the largest score up to that page.
void add_page(const AttendRows& a, int row, int p, const int8_t* q8, const float* dq, State& st) {
  const KvLayout& l = a.layout;
  const int t0 = std::max(a.begin[row] - p * kPageTokens, 0);
  const int t1 = std::min(a.end[row] - p * kPageTokens, kPageTokens);
  float s[kPageTokens];
  float page_max = st.max;
  for (int t = t0; t < t1; ++t) {
    s[t] = score(l, a.pages[p], t, a.q[row], q8, dq) * a.scale;
    if (a.has_slopes) {
      const int distance = std::abs(p * kPageTokens + t - a.at[row]);
      s[t] = std::fma(-a.slope[row], static_cast<float>(distance), s[t]);
    }
    if (a.softcap > 0) s[t] = a.softcap * tanh(s[t] / a.softcap);
    page_max = s[t] > page_max ? s[t] : page_max;
  }
  float lanes[16] = {};
  for (int t = 0; t < kPageTokens; ++t) {
    s[t] = t >= t0 && t < t1 ? exp(s[t] - page_max) : 0.0f;
    lanes[t % 16] += s[t];
  }
  const float rescale = exp(st.max - page_max);
  st.sum = std::fma(st.sum, rescale, tree16(lanes));
  for (int i = 0; i < l.head_dim_v; ++i) st.acc[i] *= rescale;
  for (int t = t0; t < t1; ++t) accumulate_value(l, a.pages[p], t, s[t], st.acc);
  st.max = page_max;
  if (a.token_mass != nullptr) std::memcpy(tokens_of(a, row, p), s, sizeof(s));
}

// The row's state over one chunk; its masses are relative to the chunk's largest score.
State chunk_state(const AttendRows& a, int row, int chunk) {
  int8_t q8[kMaxHeadDim];
  float dq[kMaxHeadDim / 32];
  int16_t sums[kMaxHeadDim / 32];
  if (is_quantised(a.layout.format)) quantise_block32(a.q[row], a.layout.head_dim_k, q8, dq, sums);
  State st;
  float page_max[kChunkPages];
  const PageRange pages = pages_of(a, row, chunk);
  for (int p = pages.first; p < pages.last; ++p) {
    add_page(a, row, p, q8, dq, st);
    page_max[p % kChunkPages] = st.max;
  }
  for (int p = pages.first; p < pages.last; ++p) {
    scale_masses(a, row, p, p + 1, exp(page_max[p % kChunkPages] - st.max));
  }
  return st;
}

// Adds a later chunk to what the row has seen before it.
void merge(const AttendRows& a, int row, int chunk, const State& add, State& st) {
  const float max = add.max > st.max ? add.max : st.max;
  const float before = exp(st.max - max);
  const float now = exp(add.max - max);
  st.max = max;
  st.sum = std::fma(st.sum, before, add.sum * now);
  for (int i = 0; i < a.layout.head_dim_v; ++i) st.acc[i] = std::fma(st.acc[i], before, add.acc[i] * now);
  const PageRange pages = pages_of(a, row, chunk);
  scale_masses(a, row, a.begin[row] / kPageTokens, pages.first, before);
  scale_masses(a, row, pages.first, pages.last, now);
}

void finish(const AttendRows& a, int row, const State& st) {
  float kept = 1.0f;  // of the weights relative to st.max, when a larger sink is the largest
  float sum = st.sum;
  if (a.has_sinks) {
    const float sink = a.sink[row];
    const float max = sink > st.max ? sink : st.max;
    kept = exp(st.max - max);
    sum = std::fma(sum, kept, exp(sink - max));
  }
  const float inverse = kept / sum;
  for (int i = 0; i < a.layout.head_dim_v; ++i) a.out[row][i] = st.acc[i] * inverse;
  scale_masses(a, row, a.begin[row] / kPageTokens, (a.end[row] + kPageTokens - 1) / kPageTokens, inverse);
}

// Chunks [first, last) hold what the row sees; `state` gives the state of one of them.
template <class F>
void attend_row(const AttendRows& a, int row, F&& state) {
  const int first = a.begin[row] / kChunkTokens;
  State st = state(first);
  for (int c = first + 1; c * kChunkTokens < a.end[row]; ++c) merge(a, row, c, state(c), st);
  finish(a, row, st);
}

}  // namespace

void attend(const AttendRows& rows) noexcept {
  for (int i = 0; i < rows.n; ++i) {
    attend_row(rows, i, [&](int chunk) { return chunk_state(rows, i, chunk); });
  }
}

void attend_chunk(const AttendRows& rows, int chunk, float* parts) noexcept {
  for (int i = 0; i < rows.n; ++i) {
    if (rows.begin[i] >= (chunk + 1) * kChunkTokens || rows.end[i] <= chunk * kChunkTokens) continue;
    const State st = chunk_state(rows, i, chunk);
    float* part = parts + static_cast<size_t>(i) * attend_part_floats(rows.layout.head_dim_v);
    part[0] = st.max;
    part[1] = st.sum;
    std::memcpy(part + 16, st.acc, static_cast<size_t>(rows.layout.head_dim_v) * sizeof(float));
  }
}

void attend_merge(const AttendRows& rows, const float* parts, int first_chunk) noexcept {
  for (int i = 0; i < rows.n; ++i) {
    attend_row(rows, i, [&](int chunk) {
      const auto at = static_cast<size_t>((chunk - first_chunk) * rows.n + i);
      const float* part = parts + at * attend_part_floats(rows.layout.head_dim_v);
      State st;
      st.max = part[0];
      st.sum = part[1];
      std::memcpy(st.acc, part + 16, static_cast<size_t>(rows.layout.head_dim_v) * sizeof(float));
      return st;
    });
  }
}

}  // namespace kedge::kernels::reference
