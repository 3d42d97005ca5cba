// The online softmax of a page, and the merging of chunks. Operation for operation as in reference/attention.cc.
// Included by simd/table.cc only.
#pragma once

#include "kernels/simd/attention_work.h"
#include "kernels/simd/float_math.h"

namespace kedge::kernels::KEDGE_ISA {

// n floats from `from` times `factor` to `to`.
KEDGE_INLINE void multiply_row(const float* from, float factor, float* to, int n) {
  const V f = V::set1(factor);
  int i = 0;
#pragma GCC unroll 2
  for (; i + 16 <= n; i += 16) (V::load(from + i) * f).store(to + i);
  if (i < n) (V::load_part(from + i, n - i, 0.0f) * f).store_part(to + i, n - i);
}

alignas(64) static constexpr float kLane[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                                16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

// Tokens [t0, t1) of a page's 32 keep their scores, the others become -inf.
KEDGE_INLINE void mask_scores(V (&x)[2], int t0, int t1) {
  using B = V::B;
  const B from(static_cast<float>(t0));
  const B until(static_cast<float>(t1));
#pragma GCC unroll 16
  for (int h = 0; h < 2; ++h) {
    const V lane = V::load(kLane + 16 * h);
    x[h] = V::make([&](int i) {
      const B inside = xsimd::select(lane.v[i] >= from, x[h].v[i], B(-__builtin_inff()));
      return xsimd::select(lane.v[i] < until, inside, B(-__builtin_inff()));
    });
  }
}

// ALiBi: takes off slope times the distance of each of the page's tokens from the row, which is `at` slots after the
// first of them. Distances are exact.
KEDGE_INLINE void add_slope(V (&x)[2], float slope, int at) {
#pragma GCC unroll 2
  for (int h = 0; h < 2; ++h) {
    const V distance = abs(V::load(kLane + 16 * h) - V::set1(static_cast<float>(at)));
    x[h] = fma(V::set1(-slope), distance, x[h]);
  }
}

// A row's scores of page p as the softmax sees them: scaled, capped, -inf where the row sees nothing. Returns the
// largest.
template <bool kCap>
KEDGE_INLINE float scale_scores(const AttendRows& a, int p, int row, AttendWork& w) {
  float* s = w.scores[row];
  const V scale = V::set1(a.scale);
  V x[2] = {V::load(s) * scale, V::load(s + 16) * scale};
  if (a.has_slopes) add_slope(x, a.slope[row], a.at[row] - p * kPageTokens);
  if constexpr (kCap) {
    const V cap = V::set1(a.softcap);
    x[0] = cap * tanh(x[0] / cap);
    x[1] = cap * tanh(x[1] / cap);
  }
  if (w.t0[row] > 0 || w.t1[row] < kPageTokens) mask_scores(x, w.t0[row], w.t1[row]);
  x[0].store(s);
  x[1].store(s + 16);
  return Fold::max(max(x[0], x[1]));
}

KEDGE_INLINE float* tokens_of(const AttendRows& a, int row, int p) {
  return a.token_mass + static_cast<size_t>(row) * a.token_mass_stride + static_cast<size_t>(p) * kPageTokens;
}

// Scores of page p to weights, for rows [r0, r1): updates max and sum. What was accumulated before has to be multiplied
// by w.rescale; the value tiles do that as they load it.
static void softmax_page(const AttendRows& a, int p, int r0, int r1, AttendWork& w) {
  for (int r = r0; r < r1; ++r) {
    const float top = a.softcap > 0 ? scale_scores<true>(a, p, r, w) : scale_scores<false>(a, p, r, w);
    w.rescale[r] = w.max[r];
    w.max[r] = top > w.max[r] ? top : w.max[r];
    w.rescale[r] -= w.max[r];
  }
  for (int r = r0; r < r1; r += 16) {
    exp(V::load_part(w.rescale + r, r1 - r, 0.0f)).store_part(w.rescale + r, r1 - r);
  }
  for (int r = r0; r < r1; ++r) {
    float* s = w.scores[r];
    const V top = V::set1(w.max[r]);
    const V p0 = exp(V::load(s) - top);
    const V p1 = exp(V::load(s + 16) - top);
    p0.store(s);
    p1.store(s + 16);
    const float sum = Fold::sum(p0 + p1);
    w.sum[r] = __builtin_fmaf(w.sum[r], w.rescale[r], sum);
    if (a.token_mass == nullptr) continue;
    w.page_max[r][p % kChunkPages] = w.max[r];
    float* tokens = tokens_of(a, r, p);
    p0.store(tokens);
    p1.store(tokens + 16);
  }
}

// Pages of `chunk` that a row sees.
struct PageRange {
  int first;
  int last;
};
KEDGE_INLINE PageRange pages_of(const AttendRows& a, int row, int chunk) {
  const int first = a.begin[row] / kPageTokens;
  const int last = (a.end[row] + kPageTokens - 1) / kPageTokens;
  const int from = chunk * kChunkPages;
  return {first > from ? first : from, last < from + kChunkPages ? last : from + kChunkPages};
}

// Multiplies what the tokens of pages [first, last) have been given of the row's softmax.
static void scale_masses(const AttendRows& a, int row, int first, int last, float factor) {
  if (factor == 1.0f || a.token_mass == nullptr) return;
  float* tokens = tokens_of(a, row, first);
  multiply_row(tokens, factor, tokens, (last - first) * kPageTokens);
}

// After a chunk's last page: the weights of its tokens, relative to the chunk's largest score.
static void chunk_masses(const AttendRows& a, int row, int chunk, const AttendWork& w) {
  const PageRange pages = pages_of(a, row, chunk);
  const int at = pages.first % kChunkPages;
  const int n = pages.last - pages.first;
  const V factor = exp(V::load_part(w.page_max[row] + at, n, 0.0f) - V::set1(w.max[row]));
  float factors[16];
  factor.store(factors);
  for (int i = 0; i < n; ++i) {
    float* tokens = tokens_of(a, row, pages.first + i);
    multiply_row(tokens, factors[i], tokens, kPageTokens);
  }
}

// Adds the state of `chunk` to the row's total, which is kept in out; a row's first chunk becomes the total.
static void merge_chunk(const AttendRows& a, int row, int chunk, float max, float sum, const float* acc,
                        float* total_max, float* total_sum) {
  const int d = a.layout.head_dim_v;
  float* out = a.out[row];
  if (chunk == a.begin[row] / kChunkTokens) {
    *total_max = max;
    *total_sum = sum;
    std::memcpy(out, acc, static_cast<size_t>(d) * sizeof(float));
    return;
  }
  const float top = max > *total_max ? max : *total_max;
  const float before = exp_scalar(*total_max - top);
  const float now = exp_scalar(max - top);
  *total_max = top;
  *total_sum = __builtin_fmaf(*total_sum, before, sum * now);
  const V before_all = V::set1(before);
  const V now_all = V::set1(now);
  for (int i = 0; i < d; i += 16) {
    const int n = d - i;
    fma(V::load_part(out + i, n, 0.0f), before_all, V::load_part(acc + i, n, 0.0f) * now_all).store_part(out + i, n);
  }
  const PageRange pages = pages_of(a, row, chunk);
  scale_masses(a, row, a.begin[row] / kPageTokens, pages.first, before);
  scale_masses(a, row, pages.first, pages.last, now);
}

// `total`: what the row has accumulated, out itself when chunks were merged; its sum is relative to `max`.
static void finish_row(const AttendRows& a, int row, const float* total, float max, float total_sum) {
  float kept = 1.0f;
  if (a.has_sinks) {
    const float sink = a.sink[row];
    const float top = sink > max ? sink : max;
    kept = exp_scalar(max - top);
    total_sum = __builtin_fmaf(total_sum, kept, exp_scalar(sink - top));
  }
  const float inverse = kept / total_sum;
  multiply_row(total, inverse, a.out[row], a.layout.head_dim_v);
  scale_masses(a, row, a.begin[row] / kPageTokens, (a.end[row] + kPageTokens - 1) / kPageTokens, inverse);
}

}  // namespace kedge::kernels::KEDGE_ISA
