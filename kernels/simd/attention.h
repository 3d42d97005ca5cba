// Attention over pages, a tile of query rows at a time. Scores: lanes are the 32 tokens of a page (keys are stored
// transposed). Values: lanes are the dimensions. Same order of operations per row as reference/attention.cc.
// Included by simd/table.cc only.
#pragma once

#include <cstring>

#include "kernels/kernel_table.h"

namespace kedge::KEDGE_ISA {

// Query rows whose scores share one pass over a page's keys.
inline constexpr int kScoreRows = kVnni ? 8 : 2;
// Rows and 16-lane vectors of the value product's register tile.
inline constexpr int kValueRows = kVnni ? 4 : 2;
inline constexpr int kValueVectors = kVnni ? 4 : 2;

struct LoadF32 {
  static constexpr size_t kBytes = 4;
  KEDGE_INLINE static V load(const std::byte* p, size_t i) { return V::load(reinterpret_cast<const float*>(p) + i); }
};
struct LoadF16 {
  static constexpr size_t kBytes = 2;
  KEDGE_INLINE static V load(const std::byte* p, size_t i) {
    return S::f16_to_f32x16(reinterpret_cast<const uint16_t*>(p) + i);
  }
};

// State of the online softmax of all rows.
struct AttendState {
  alignas(64) float scores[kMaxAttendRows][kPageTokens];
  float max[kMaxAttendRows];
  float sum[kMaxAttendRows];
  alignas(64) int8_t q8[kMaxAttendRows][kMaxHeadDim];
  float dq[kMaxAttendRows][kMaxHeadDim / 32];
  int16_t q_sums[kMaxAttendRows][kMaxHeadDim / 32];
};

template <class L, int kR>
KEDGE_INLINE void score_rows(const AttendRows& a, const std::byte* page, const int* rows, AttendState& st) {
  V acc[kR][2];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) acc[r][0] = acc[r][1] = V::zero();
  for (int i = 0; i < a.layout.head_dim_k; ++i) {
    const V k0 = L::load(page, static_cast<size_t>(i) * kPageTokens);
    const V k1 = L::load(page, static_cast<size_t>(i) * kPageTokens + 16);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const V q = V::set1(a.q[rows[r]][i]);
      acc[r][0] = fma(q, k0, acc[r][0]);
      acc[r][1] = fma(q, k1, acc[r][1]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
    acc[r][0].store(st.scores[rows[r]]);
    acc[r][1].store(st.scores[rows[r]] + 16);
  }
}

// Q8_0 keys: integer dots per 32 dimensions, lanes are tokens.
KEDGE_INLINE void score_row_q8(const AttendRows& a, const std::byte* page, int row, AttendState& st) {
  constexpr int kVectors = kPageTokens / S::kRows;
  S::Floats acc[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) acc[v] = S::set_float(0.0f);
  const auto* codes = reinterpret_cast<const uint8_t*>(page);
  const auto* scales = reinterpret_cast<const uint16_t*>(page + a.layout.k_scales());
  for (int b = 0; b < a.layout.head_dim_k / 32; ++b) {
    alignas(64) float dk[kPageTokens];
    S::f16_to_f32x16(scales + b * kPageTokens).store(dk);
    S::f16_to_f32x16(scales + b * kPageTokens + 16).store(dk + 16);
    const S::Floats dq = S::set_float(st.dq[row][b]);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      S::Ints dot = S::set_int(kVnni ? -128 * st.q_sums[row][b] : 0);
#pragma GCC unroll 16
      for (int i = 0; i < 8; ++i) {
        S::Codes k = S::load_codes(codes + ((b * 8 + i) * kPageTokens + v * S::kRows) * 4);
#if !defined(__AVX512VNNI__)
        k = S::flip_sign(k);
#endif
        dot = S::dot4<true>(dot, k, four_codes(st.q8[row] + b * 32 + i * 4));
      }
      acc[v] = S::fma(S::to_float(dot), S::mul(dq, S::load_floats(dk + v * S::kRows)), acc[v]);
    }
  }
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) S::store_floats(st.scores[row] + v * S::kRows, acc[v]);
}

KEDGE_INLINE V tanh(const V& x) {
  const V e = exp(V::set1(-2.0f) * abs(x));
  const V t = (V::set1(1.0f) - e) / (V::set1(1.0f) + e);
  return V::make([&](int i) { return xsimd::copysign(t.v[i], x.v[i]); });
}

// Scores of one page to weights; rescales the row's output. [t0, t1) is what the row sees of the page.
KEDGE_INLINE void softmax_page(const AttendRows& a, int row, int t0, int t1, AttendState& st) {
  float* s = st.scores[row];
  const V scale = V::set1(a.scale);
  V x[2];
#pragma GCC unroll 16
  for (int h = 0; h < 2; ++h) {
    x[h] = V::load(s + 16 * h) * scale;
    if (a.softcap > 0) {
      const V cap = V::set1(a.softcap);
      x[h] = cap * tanh(x[h] / cap);
    }
    if (t0 > 0 || t1 < kPageTokens) {
      float t[16];
      x[h].store(t);
      for (int i = 0; i < 16; ++i) t[i] = 16 * h + i >= t0 && 16 * h + i < t1 ? t[i] : -__builtin_inff();
      x[h] = V::load(t);
    }
  }
  const float old_max = st.max[row];
  const float page_max = max(x[0], x[1]).max_lane();
  const float new_max = page_max > old_max ? page_max : old_max;
  const V top = V::set1(new_max);
  V p[2];
#pragma GCC unroll 16
  for (int h = 0; h < 2; ++h) {
    p[h] = exp(x[h] - top);
    p[h].store(s + 16 * h);
  }
  float lane[16];
  exp(V::set1(old_max) - top).store(lane);
  const float rescale = lane[0];
  st.sum[row] = __builtin_fmaf(st.sum[row], rescale, (p[0] + p[1]).tree_sum());
  st.max[row] = new_max;
  if (rescale != 1.0f) {  // x * 1 is x
    const V factor = V::set1(rescale);
    for (int i = 0; i < a.layout.head_dim_v; i += 16) {
      const int n = a.layout.head_dim_v - i;
      (V::load_part(a.out[row] + i, n, 0.0f) * factor).store_part(a.out[row] + i, n);
    }
  }
}

// out[rows][.] += weights x values of tokens [t0, t1), token by token, kC vectors of dimensions from `first`.
template <class L, int kR, int kC>
KEDGE_INLINE void value_tile(const AttendRows& a, const std::byte* values, const int* rows, int t0, int t1, int first,
                             const AttendState& st) {
  V acc[kR][kC];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < kC; ++c) acc[r][c] = V::load(a.out[rows[r]] + first + 16 * c);
  }
  const auto d = static_cast<size_t>(a.layout.head_dim_v);
  for (int t = t0; t < t1; ++t) {
    V v[kC];
#pragma GCC unroll 16
    for (int c = 0; c < kC; ++c)
      v[c] = L::load(values, static_cast<size_t>(t) * d + static_cast<size_t>(first + 16 * c));
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const V p = V::set1(st.scores[rows[r]][t]);
#pragma GCC unroll 16
      for (int c = 0; c < kC; ++c) acc[r][c] = fma(p, v[c], acc[r][c]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < kC; ++c) acc[r][c].store(a.out[rows[r]] + first + 16 * c);
  }
}

template <class L, int kR>
KEDGE_INLINE void value_rows(const AttendRows& a, const std::byte* values, const int* rows, int t0, int t1,
                             const AttendState& st) {
  const int d = a.layout.head_dim_v;
  int i = 0;
  for (; i + 16 * kValueVectors <= d; i += 16 * kValueVectors) {
    value_tile<L, kR, kValueVectors>(a, values, rows, t0, t1, i, st);
  }
  for (; i + 16 <= d; i += 16) value_tile<L, kR, 1>(a, values, rows, t0, t1, i, st);
  for (; i < d; ++i) {  // widths that are no multiple of 16
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      float acc = a.out[rows[r]][i];
      for (int t = t0; t < t1; ++t) {
        const auto at = static_cast<size_t>(t) * static_cast<size_t>(d) + static_cast<size_t>(i);
        float v;
        if constexpr (L::kBytes == 4) {
          v = reinterpret_cast<const float*>(values)[at];
        } else {
          v = f16_to_f32(reinterpret_cast<const uint16_t*>(values)[at]);
        }
        acc = __builtin_fmaf(st.scores[rows[r]][t], v, acc);
      }
      a.out[rows[r]][i] = acc;
    }
  }
}

KEDGE_INLINE void value_row_q8(const AttendRows& a, const std::byte* page, int row, int t0, int t1,
                               const AttendState& st) {
  const int d = a.layout.head_dim_v;
  const auto* codes = reinterpret_cast<const int8_t*>(page + a.layout.v_offset());
  const auto* scales = reinterpret_cast<const uint16_t*>(page + a.layout.v_scales());
  for (int b = 0; b < d / 32; ++b) {
    float* out = a.out[row] + b * 32;
    V acc[2] = {V::load(out), V::load(out + 16)};
    for (int t = t0; t < t1; ++t) {
      const V p = V::set1(st.scores[row][t] * f16_to_f32(scales[t * (d / 32) + b]));
      acc[0] = fma(p, S::i8_to_f32x16(codes + t * d + b * 32), acc[0]);
      acc[1] = fma(p, S::i8_to_f32x16(codes + t * d + b * 32 + 16), acc[1]);
    }
    acc[0].store(out);
    acc[1].store(out + 16);
  }
}

template <class L>
KEDGE_INLINE void page_float(const AttendRows& a, const std::byte* page, const int* rows, int n, const int* t0,
                             const int* t1, AttendState& st) {
  int r = 0;
  for (; r + kScoreRows <= n; r += kScoreRows) score_rows<L, kScoreRows>(a, page, rows + r, st);
  for (; r + 2 <= n; r += 2) score_rows<L, 2>(a, page, rows + r, st);
  if (r < n) score_rows<L, 1>(a, page, rows + r, st);
  for (r = 0; r < n; ++r) softmax_page(a, rows[r], t0[r], t1[r], st);
  const std::byte* values = page + a.layout.v_offset();
  for (r = 0; r < n;) {
    bool same = r + kValueRows <= n;
    for (int j = 1; same && j < kValueRows; ++j) same = t0[r + j] == t0[r] && t1[r + j] == t1[r];
    if (same) {
      value_rows<L, kValueRows>(a, values, rows + r, t0[r], t1[r], st);
      r += kValueRows;
    } else {
      value_rows<L, 1>(a, values, rows + r, t0[r], t1[r], st);
      ++r;
    }
  }
}

KEDGE_INLINE void page_q8(const AttendRows& a, const std::byte* page, const int* rows, int n, const int* t0,
                          const int* t1, AttendState& st) {
  for (int r = 0; r < n; ++r) {
    score_row_q8(a, page, rows[r], st);
    softmax_page(a, rows[r], t0[r], t1[r], st);
    value_row_q8(a, page, rows[r], t0[r], t1[r], st);
  }
}

static void attend(const AttendRows& a) noexcept {
  AttendState st;
  int first = a.begin[0];
  int last = a.end[0];
  for (int r = 0; r < a.n; ++r) {
    st.max[r] = -__builtin_inff();
    st.sum[r] = 0.0f;
    std::memset(a.out[r], 0, static_cast<size_t>(a.layout.head_dim_v) * sizeof(float));
    if (a.layout.format == KvFormat::kQ8_0) {
      quantise_block32(a.q[r], a.layout.head_dim_k, st.q8[r], st.dq[r], st.q_sums[r]);
    }
    first = a.begin[r] < first ? a.begin[r] : first;
    last = a.end[r] > last ? a.end[r] : last;
  }
  for (int p = first / kPageTokens; p * kPageTokens < last; ++p) {
    int rows[kMaxAttendRows];
    int t0[kMaxAttendRows];
    int t1[kMaxAttendRows];
    int n = 0;
    for (int r = 0; r < a.n; ++r) {
      const int from = a.begin[r] - p * kPageTokens;
      const int to = a.end[r] - p * kPageTokens;
      if (from >= kPageTokens || to <= 0) continue;  // the row sees nothing of this page
      rows[n] = r;
      t0[n] = from > 0 ? from : 0;
      t1[n++] = to < kPageTokens ? to : kPageTokens;
    }
    const std::byte* page = a.pages[p];
    switch (a.layout.format) {
      case KvFormat::kF32:
        page_float<LoadF32>(a, page, rows, n, t0, t1, st);
        break;
      case KvFormat::kF16:
        page_float<LoadF16>(a, page, rows, n, t0, t1, st);
        break;
      case KvFormat::kQ8_0:
        page_q8(a, page, rows, n, t0, t1, st);
        break;
    }
  }
  for (int r = 0; r < a.n; ++r) {
    const V inverse = V::set1(1.0f / st.sum[r]);
    for (int i = 0; i < a.layout.head_dim_v; i += 16) {
      const int n = a.layout.head_dim_v - i;
      (V::load_part(a.out[r] + i, n, 0.0f) * inverse).store_part(a.out[r] + i, n);
    }
  }
}

static void kv_store(const KvLayout& l, std::byte* page, int slot, const float* k, const float* v) noexcept {
  const auto t = static_cast<size_t>(slot);
  const auto nk = static_cast<size_t>(l.head_dim_k);
  const auto nv = static_cast<size_t>(l.head_dim_v);
  std::byte* values = page + l.v_offset();
  if (l.format == KvFormat::kF32) {
    auto* to = reinterpret_cast<float*>(page);
    for (size_t i = 0; i < nk; ++i) to[i * kPageTokens + t] = k[i];
    std::memcpy(values + t * nv * 4, v, nv * 4);
  } else if (l.format == KvFormat::kF16) {
    uint16_t half[kMaxHeadDim + 16];
    auto* to = reinterpret_cast<uint16_t*>(page);
    for (size_t i = 0; i < nk; i += 16)
      S::store_f16(half + i, V::load_part(k + i, l.head_dim_k - static_cast<int>(i), 0.0f));
    for (size_t i = 0; i < nk; ++i) to[i * kPageTokens + t] = half[i];
    for (size_t i = 0; i < nv; i += 16)
      S::store_f16(half + i, V::load_part(v + i, l.head_dim_v - static_cast<int>(i), 0.0f));
    std::memcpy(values + t * nv * 2, half, nv * 2);
  } else {
    int8_t q[kMaxHeadDim];
    float d[kMaxHeadDim / 32];
    int16_t sums[kMaxHeadDim / 32];
    quantise_block32(k, l.head_dim_k, q, d, sums);
    auto* codes = reinterpret_cast<uint8_t*>(page);
    for (size_t i = 0; i < nk; ++i) codes[(i / 4 * kPageTokens + t) * 4 + i % 4] = static_cast<uint8_t>(q[i] + 128);
    auto* k_scale = reinterpret_cast<uint16_t*>(page + l.k_scales());
    for (size_t b = 0; b < nk / 32; ++b) k_scale[b * kPageTokens + t] = f32_to_f16(d[b]);
    quantise_block32(v, l.head_dim_v, q, d, sums);
    std::memcpy(values + t * nv, q, nv);
    auto* v_scale = reinterpret_cast<uint16_t*>(page + l.v_scales()) + t * (nv / 32);
    for (size_t b = 0; b < nv / 32; ++b) v_scale[b] = f32_to_f16(d[b]);
  }
}

}  // namespace kedge::KEDGE_ISA
