// Attention of a tile of query rows, page by page: scores, softmax, values, each for all rows that see the page. The
// order of operations per row is reference/attention.cc's. Included by simd/table.cc only.
#pragma once

#include <cstring>

#include "kernels/kernel_table.h"
#include "kernels/simd/attention_latent.h"
#include "kernels/simd/attention_scores.h"
#include "kernels/simd/attention_softmax.h"
#include "kernels/simd/attention_store.h"
#include "kernels/simd/attention_values.h"
#include "kernels/simd/attention_work.h"

namespace kedge::kernels::KEDGE_ISA {

// From this many rows on a page is widened to float32 once instead of by every tile. Fewer rows are decode: there
// memory is the limit, and the next page is fetched ahead.
inline constexpr int kWidenRows = 9;

KEDGE_INLINE AttendWork& work(const AttendRows& a) { return *reinterpret_cast<AttendWork*>(a.scratch); }

static void load_queries(const AttendRows& a, AttendWork& w) {
  const int d = a.layout.head_dim_k;
  for (int r = 0; r < a.n; ++r) {
    if (is_quantised(a.layout.format)) {
      quantise_block32(a.q[r], d, w.q8[r], w.dq[r], w.q_sums[r]);
    } else {
      std::memcpy(w.q[r], a.q[r], static_cast<size_t>(d) * sizeof(float));
    }
  }
}

static void scale_row(const uint16_t* from, int n, float* to) {
  for (int i = 0; i < n; i += 16) S::f16_to_f32x16(from + i).store(to + i);
}

// A page's values in Q4_0 to the bytes of Q8_0.
static void unpack_values(const std::byte* codes, int d, int8_t* to) {
  for (int b = 0; b < d; ++b) S::store32(to + b * 32, S::minus(S::nibbles(codes + b * 16), S::set1(8)));
}

// Few rows: the tiles read the page in its format and fetch memory ahead. Many: the page is widened first, if it is not
// float32 already, and what is ahead is fetched meanwhile.
static void page_scores(const AttendRows& a, const std::byte* page, int r0, int r1, AttendWork& w) {
  const int d = a.layout.head_dim_k;
  const bool few = r1 - r0 < kWidenRows;
  // While the keys are read, the values of the same page are fetched.
  Ahead ahead{page + a.layout.v_offset(), a.layout.v_bytes() / static_cast<size_t>(d)};
  switch (a.layout.format) {
    case KvFormat::kF32: {
      const LoadF32 keys{reinterpret_cast<const float*>(page)};
      if (few) return score_rows<LoadF32, true>(keys, d, r0, r1, w, ahead);
      return score_rows<LoadF32, false>(keys, d, r0, r1, w, ahead);
    }
    case KvFormat::kF16: {
      const LoadF16 keys{reinterpret_cast<const uint16_t*>(page)};
      if (few) return score_rows<LoadF16, true>(keys, d, r0, r1, w, ahead);
      widen(keys, d, kPageTokens, kPageTokens, w.wide, ahead);
      return score_rows<LoadF32, false>(LoadF32{w.wide}, d, r0, r1, w, ahead);
    }
    case KvFormat::kQ8_0:
    case KvFormat::kQ4_0: {
      scale_row(reinterpret_cast<const uint16_t*>(page + a.layout.k_scales()), d, w.key_scales);
      ahead.step *= 32;  // per block of dimensions
      const auto* codes = reinterpret_cast<const uint8_t*>(page);
      if (a.layout.format == KvFormat::kQ8_0) return score_rows_int(CodesQ8{codes}, d, r0, r1, w, ahead);
      return score_rows_int(CodesQ4{codes}, d, r0, r1, w, ahead);
    }
  }
}

// `few`: rows that are worth widening for are many.
template <class L>
KEDGE_INLINE void format_values(const L& values, int d, int r0, int r1, AttendWork& w, const Ahead& ahead, bool few) {
  const int padded = (d + 15) / 16 * 16;
  if (few && padded == d) return value_rows<L, true>(values, d, r0, r1, w, ahead);
  widen(values, kPageTokens, d, padded, w.wide, ahead);
  value_rows<LoadF32, false>(LoadF32{w.wide}, padded, r0, r1, w, ahead);
}

// Values that are the first dimensions of the keys.
static void key_values(const AttendRows& a, const std::byte* page, int r0, int r1, AttendWork& w, const Ahead& ahead) {
  const int d = a.layout.head_dim_v;
  const int padded = (d + 15) / 16 * 16;
  switch (a.layout.format) {
    case KvFormat::kF32:
      turn_keys(LoadF32{reinterpret_cast<const float*>(page)}, d, padded, w.wide);
      return value_rows<LoadF32, true>(LoadF32{w.wide}, padded, r0, r1, w, ahead);
    case KvFormat::kF16:
      turn_keys(LoadF16{reinterpret_cast<const uint16_t*>(page)}, d, padded, w.wide);
      return value_rows<LoadF32, true>(LoadF32{w.wide}, padded, r0, r1, w, ahead);
    case KvFormat::kQ8_0:
    case KvFormat::kQ4_0:
      turn_codes(a.layout, page, w);
      return format_values(LoadQ8{w.codes, w.value_scales}, d, r0, r1, w, ahead, r1 - r0 < kWidenRows);
  }
}

static void page_values(const AttendRows& a, const std::byte* page, int r0, int r1, AttendWork& w,
                        const std::byte* next) {
  const int d = a.layout.head_dim_v;
  const bool few = r1 - r0 < kWidenRows;
  const std::byte* p = page + a.layout.v_offset();
  // While the values are read, the keys of the next page are fetched.
  Ahead ahead;
  if (next != nullptr) ahead = {next, a.layout.v_offset() / kPageTokens};
  if (a.layout.v_in_k) return key_values(a, page, r0, r1, w, ahead);
  switch (a.layout.format) {
    case KvFormat::kF32: {
      const LoadF32 values{reinterpret_cast<const float*>(p)};
      if (d % 16 == 0 && !few) return value_rows<LoadF32, false>(values, d, r0, r1, w, ahead);
      return format_values(values, d, r0, r1, w, ahead, few);
    }
    case KvFormat::kF16:
      return format_values(LoadF16{reinterpret_cast<const uint16_t*>(p)}, d, r0, r1, w, ahead, few);
    case KvFormat::kQ8_0:
    case KvFormat::kQ4_0: {
      scale_row(reinterpret_cast<const uint16_t*>(page + a.layout.v_scales()), d, w.value_scales);
      const auto* codes = reinterpret_cast<const int8_t*>(p);
      if (a.layout.format == KvFormat::kQ4_0) {
        unpack_values(p, d, w.codes);
        codes = w.codes;
      }
      return format_values(LoadQ8{codes, w.value_scales}, d, r0, r1, w, ahead, few);
    }
  }
}

// Consecutive rows that see page p, one run after the other.
static void attend_page(const AttendRows& a, int p, const std::byte* next, AttendWork& w) {
  for (int r = 0; r < a.n; ++r) {
    const int from = a.begin[r] - p * kPageTokens;
    const int to = a.end[r] - p * kPageTokens;
    w.t0[r] = from > 0 ? from : 0;
    w.t1[r] = to < kPageTokens ? to : kPageTokens;
  }
  const std::byte* page = a.pages[p];
  for (int r0 = 0; r0 < a.n;) {
    if (w.t0[r0] >= w.t1[r0]) {
      ++r0;
      continue;
    }
    int r1 = r0 + 1;
    while (r1 < a.n && w.t0[r1] < w.t1[r1]) ++r1;
    page_scores(a, page, r0, r1, w);
    softmax_page(a, p, r0, r1, w);
    page_values(a, page, r0, r1, w, next);
    r0 = r1;
  }
}

KEDGE_INLINE bool sees(const AttendRows& a, int row, int chunk) {
  return a.begin[row] < (chunk + 1) * kChunkTokens && a.end[row] > chunk * kChunkTokens;
}

KEDGE_INLINE bool one_chunk(const AttendRows& a, int row) {
  return a.begin[row] / kChunkTokens == (a.end[row] - 1) / kChunkTokens;
}

// The state of every row over one chunk, in w.
static void run_chunk(const AttendRows& a, int chunk, AttendWork& w) {
  const int padded = (a.layout.head_dim_v + 15) / 16 * 16;
  int first = (chunk + 1) * kChunkPages;
  int last = chunk * kChunkPages;
  for (int r = 0; r < a.n; ++r) {
    if (!sees(a, r, chunk)) continue;
    w.max[r] = -__builtin_inff();
    w.sum[r] = 0.0f;
    std::memset(w.acc[r], 0, static_cast<size_t>(padded) * sizeof(float));
    const PageRange pages = pages_of(a, r, chunk);
    first = pages.first < first ? pages.first : first;
    last = pages.last > last ? pages.last : last;
  }
  for (int p = first; p < last; ++p) attend_page(a, p, p + 1 < last ? a.pages[p + 1] : nullptr, w);
  if (a.token_mass == nullptr) return;
  for (int r = 0; r < a.n; ++r) {
    if (sees(a, r, chunk)) chunk_masses(a, r, chunk, w);
  }
}

static void attend(const AttendRows& a) noexcept {
  AttendWork& w = work(a);
  load_queries(a, w);
  int first = a.begin[0];
  int last = a.end[0];
  for (int r = 1; r < a.n; ++r) {
    first = a.begin[r] < first ? a.begin[r] : first;
    last = a.end[r] > last ? a.end[r] : last;
  }
  for (int c = first / kChunkTokens; c * kChunkTokens < last; ++c) {
    run_chunk(a, c, w);
    for (int r = 0; r < a.n; ++r) {
      if (!sees(a, r, c)) continue;
      if (one_chunk(a, r)) {
        finish_row(a, r, w.acc[r], w.max[r], w.sum[r]);
        continue;
      }
      merge_chunk(a, r, c, w.max[r], w.sum[r], w.acc[r], &w.total_max[r], &w.total_sum[r]);
      if ((c + 1) * kChunkTokens >= a.end[r]) finish_row(a, r, a.out[r], w.total_max[r], w.total_sum[r]);
    }
  }
}

static void attend_chunk(const AttendRows& a, int chunk, float* parts) noexcept {
  AttendWork& w = work(a);
  load_queries(a, w);
  run_chunk(a, chunk, w);
  for (int r = 0; r < a.n; ++r) {
    if (!sees(a, r, chunk)) continue;
    float* part = parts + static_cast<size_t>(r) * attend_part_floats(a.layout.head_dim_v);
    part[0] = w.max[r];
    part[1] = w.sum[r];
    std::memcpy(part + 16, w.acc[r], static_cast<size_t>(a.layout.head_dim_v) * sizeof(float));
  }
}

static void attend_merge(const AttendRows& a, const float* parts, int first_chunk) noexcept {
  for (int r = 0; r < a.n; ++r) {
    float max = 0.0f;
    float sum = 0.0f;
    for (int c = a.begin[r] / kChunkTokens; c * kChunkTokens < a.end[r]; ++c) {
      const auto at = static_cast<size_t>((c - first_chunk) * a.n + r);
      const float* part = parts + at * attend_part_floats(a.layout.head_dim_v);
      merge_chunk(a, r, c, part[0], part[1], part + 16, &max, &sum);
    }
    finish_row(a, r, a.out[r], max, sum);
  }
}

}  // namespace kedge::kernels::KEDGE_ISA
