// Matmul of quantised weights for many tokens: a panel of rows is unpacked to bytes once (rows across the lanes, four
// codes of k per lane) and swept over all tokens, a register tile at a time. The same integers and the same fma chain
// per output as in matmul_rows.h, hence the same bits. Included by simd/table.cc only.
#pragma once

#include "kernels/kernel_table.h"

namespace kedge::KEDGE_ISA {

inline constexpr int kPanelRows = S::kRows * S::kTileRows;

// The zero point still to be subtracted after dot4: AVX2 keeps wide codes signed, i.e. centred at 128.
template <class F>
inline constexpr int kPanelZero = kWideCodes<F> && !kVnni ? F::kZero - 128 : F::kZero;

// A panel in scratch memory. Codes [k/4][kTileRows][kRows][4]; everything else [group][kTileRows][kRows].
struct Panel {
  uint8_t* codes;
  float* scale;       // per 32 or 256
  float* minimum;     // per 32 (kHasMin); per 256: scale of the minimums
  int8_t* sub_scale;  // kSuper256: per sub-block
  int16_t* sub_min;   // kSuper256, kHasMin: [k/kSub/2][kTileRows][kRows][2]
  int32_t* zero;      // [tokens of a tile][k/group]: -zero * sum of activation codes

  template <class F>
  static Panel place(std::byte* scratch, int k) {
    constexpr int kGroup = F::kFamily == QuantFamily::kBlock32 ? 32 : 256;
    const auto rows = static_cast<size_t>(kPanelRows);
    const auto n = static_cast<size_t>(k);
    Panel p{};
    std::byte* at = scratch;
    auto take = [&](size_t bytes) {
      std::byte* r = at;
      at += (bytes + 63) / 64 * 64;
      return r;
    };
    p.codes = reinterpret_cast<uint8_t*>(take(n * rows));
    p.scale = reinterpret_cast<float*>(take(n / kGroup * rows * 4));
    if (F::kHasMin) p.minimum = reinterpret_cast<float*>(take(n / kGroup * rows * 4));
    if constexpr (F::kFamily == QuantFamily::kSuper256) {
      p.sub_scale = reinterpret_cast<int8_t*>(take(n / F::kSub * rows));
      if (F::kHasMin) p.sub_min = reinterpret_cast<int16_t*>(take(n / F::kSub * rows * 2));
    }
    p.zero = reinterpret_cast<int32_t*>(take(n / 16 * S::kTileTokens * 4));
    return p;
  }
};

// Unpacks block b of one weight row into lane `lane` (0 .. kPanelRows) of the panel.
template <class F>
KEDGE_INLINE void unpack_lane(const typename F::Block& w, int b, int lane, const Panel& p) {
  constexpr bool kSuper = F::kFamily == QuantFamily::kSuper256;
  constexpr int kGroups = kSuper ? 8 : 1;
  for (int g = 0; g < kGroups; ++g) {
    alignas(32) uint32_t words[8];
    auto codes = [&] {
      if constexpr (kSuper) {
        return F::template load<S>(w, g);
      } else {
        return F::template load<S>(w);
      }
    }();
    if constexpr (kWideCodes<F> && !kVnni) codes = S::flip_sign(codes);
    S::store32(words, codes);
    auto* to = reinterpret_cast<uint32_t*>(p.codes) + static_cast<size_t>((b * kGroups + g) * 8 * kPanelRows + lane);
#pragma GCC unroll 16
    for (int i = 0; i < 8; ++i) to[i * kPanelRows] = words[i];
  }
  const auto at = static_cast<size_t>(b * kPanelRows + lane);
  p.scale[at] = F::scale(w);
  if constexpr (kSuper) {
    constexpr int kSubs = 256 / F::kSub;
    int8_t sc[kSubs];
    F::scales(w, sc);
    for (int j = 0; j < kSubs; ++j) p.sub_scale[(b * kSubs + j) * kPanelRows + lane] = sc[j];
    if constexpr (F::kHasMin) {
      uint8_t mn[kSubs];
      F::mins(w, mn);
      p.minimum[at] = F::min_scale(w);
      for (int j = 0; j < kSubs; ++j) {
        p.sub_min[((b * kSubs + j) / 2 * kPanelRows + lane) * 2 + j % 2] = static_cast<int16_t>(mn[j]);
      }
    }
  } else if constexpr (F::kHasMin) {
    p.minimum[at] = F::min(w);
  }
}

template <class F>
KEDGE_INLINE void unpack_panel(const WeightRows& w, int row, int k, const Panel& p) {
  for (int lane = 0; lane < kPanelRows; ++lane) {
    const int r = row + lane < w.n_rows ? row + lane : w.n_rows - 1;  // spare lanes repeat the last row
    const auto* blocks = reinterpret_cast<const typename F::Block*>(w.data + static_cast<size_t>(r) * w.row_bytes);
    for (int b = 0; b < k / quants::kBlockValues<F>; ++b) unpack_lane<F>(blocks[b], b, lane, p);
  }
}

// Activations of the tokens of one tile.
struct TileActs {
  const int8_t* q[S::kTileTokens];
  const float* d[S::kTileTokens];
  const int16_t* sums[S::kTileTokens];  // per 32, or per 16 where the format's sub-blocks have 16
};

// Four activation codes of token t to all lanes.
KEDGE_INLINE S::Ints four_codes(const int8_t* q) {
  int32_t word;
  __builtin_memcpy(&word, q, 4);
  return S::set_int(word);
}

template <class F, int kT>
KEDGE_INLINE void block32_tile(const Panel& p, const TileActs& x, int n_blocks, S::Floats (&acc)[S::kTileRows][kT]) {
  constexpr int kR = S::kTileRows;
  for (int b = 0; b < n_blocks; ++b) {
    S::Ints dot[kR][kT];
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const S::Ints start = S::set_int(kPanelZero<F> == 0 ? 0 : p.zero[t * n_blocks + b]);
#pragma GCC unroll 16
      for (int r = 0; r < kR; ++r) dot[r][t] = start;
    }
    const uint8_t* codes = p.codes + static_cast<size_t>(b) * 32 * kPanelRows;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      S::Codes w[kR];
#pragma GCC unroll 16
      for (int r = 0; r < kR; ++r) w[r] = S::load_codes(codes + (i * kR + r) * S::kRows * 4);
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        const S::Ints a = four_codes(x.q[t] + b * 32 + i * 4);
#pragma GCC unroll 16
        for (int r = 0; r < kR; ++r) dot[r][t] = S::dot4<kWideCodes<F>>(dot[r][t], w[r], a);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const int at = (b * kR + r) * S::kRows;
      const S::Floats dw = S::load_floats(p.scale + at);
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        const S::Floats dx = S::set_float(x.d[t][b]);
        acc[r][t] = S::fma(S::to_float(dot[r][t]), S::mul(dw, dx), acc[r][t]);
        if constexpr (F::kHasMin) {
          const S::Floats sum = S::set_float(static_cast<float>(x.sums[t][b]));
          acc[r][t] = S::fma(sum, S::mul(S::load_floats(p.minimum + at), dx), acc[r][t]);
        }
      }
    }
  }
}

template <class F, int kT>
KEDGE_INLINE void super256_tile(const Panel& p, const TileActs& x, int n_blocks, S::Floats (&acc)[S::kTileRows][kT]) {
  constexpr int kR = S::kTileRows;
  constexpr int kSubs = 256 / F::kSub;
  for (int b = 0; b < n_blocks; ++b) {
    S::Ints total[kR][kT];
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) total[r][t] = S::set_int(0);
    }
    for (int j = b * kSubs; j < (b + 1) * kSubs; ++j) {
      S::Ints dot[kR][kT];
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        const S::Ints start = S::set_int(kPanelZero<F> == 0 ? 0 : p.zero[t * n_blocks * kSubs + j]);
#pragma GCC unroll 16
        for (int r = 0; r < kR; ++r) dot[r][t] = start;
      }
      const uint8_t* codes = p.codes + static_cast<size_t>(j) * F::kSub * kPanelRows;
#pragma GCC unroll 8
      for (int i = 0; i < F::kSub / 4; ++i) {
        S::Codes w[kR];
#pragma GCC unroll 16
        for (int r = 0; r < kR; ++r) w[r] = S::load_codes(codes + (i * kR + r) * S::kRows * 4);
#pragma GCC unroll 16
        for (int t = 0; t < kT; ++t) {
          const S::Ints a = four_codes(x.q[t] + j * F::kSub + i * 4);
#pragma GCC unroll 16
          for (int r = 0; r < kR; ++r) dot[r][t] = S::dot4<kWideCodes<F>>(dot[r][t], w[r], a);
        }
      }
#pragma GCC unroll 16
      for (int r = 0; r < kR; ++r) {
        const S::Ints sc = S::load_i8(p.sub_scale + (j * kR + r) * S::kRows);
#pragma GCC unroll 16
        for (int t = 0; t < kT; ++t) total[r][t] = S::mul_add(sc, dot[r][t], total[r][t]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const int at = (b * kR + r) * S::kRows;
      const S::Floats dw = S::load_floats(p.scale + at);
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        const S::Floats dx = S::set_float(x.d[t][b]);
        acc[r][t] = S::fma(S::to_float(total[r][t]), S::mul(dw, dx), acc[r][t]);
        if constexpr (F::kHasMin) {
          S::Ints mins = S::set_int(0);
          for (int j = b * kSubs / 2; j < (b + 1) * kSubs / 2; ++j) {
            int32_t pair;
            __builtin_memcpy(&pair, x.sums[t] + j * 2, 4);
            mins = S::pairs(mins, p.sub_min + (j * kR + r) * S::kRows * 2, S::set_int(pair));
          }
          acc[r][t] = S::fnma(S::to_float(mins), S::mul(S::load_floats(p.minimum + at), dx), acc[r][t]);
        }
      }
    }
  }
}

// One register tile: kT tokens from t0 against the whole panel; rows beyond `n_rows` are computed and dropped.
template <class F, int kT>
KEDGE_INLINE void panel_tile(const Panel& p, const ActRows& x, int t0, float* y, size_t ldy, int n_rows) {
  constexpr bool kSuper = F::kFamily == QuantFamily::kSuper256;
  constexpr int kBlock = quants::kBlockValues<F>;
  int group = 32;
  if constexpr (kSuper) group = F::kSub;
  const int n_groups = x.k / group;
  const int16_t* all_sums = group == 16 ? x.sums16 : x.sums32;
  TileActs acts;
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
    const size_t row = x.row(t0 + t);
    acts.q[t] = x.q + row * static_cast<size_t>(x.k);
    acts.d[t] = x.d + row * static_cast<size_t>(x.k / kBlock);
    acts.sums[t] = all_sums + row * static_cast<size_t>(n_groups);
    if constexpr (kPanelZero<F> != 0) {
      for (int g = 0; g < n_groups; ++g) p.zero[t * n_groups + g] = -kPanelZero<F> * acts.sums[t][g];
    }
  }
  S::Floats acc[S::kTileRows][kT];
#pragma GCC unroll 16
  for (int r = 0; r < S::kTileRows; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[r][t] = S::set_float(0.0f);
  }
  if constexpr (kSuper) {
    super256_tile<F, kT>(p, acts, x.k / kBlock, acc);
  } else {
    block32_tile<F, kT>(p, acts, x.k / kBlock, acc);
  }
#pragma GCC unroll 16
  for (int t = 0; t < kT; ++t) {
    float* out = y + static_cast<size_t>(t0 + t) * ldy;
#pragma GCC unroll 16
    for (int r = 0; r < S::kTileRows; ++r) {
      const int left = n_rows - r * S::kRows;
      if (left >= S::kRows) {
        S::store_floats(out + r * S::kRows, acc[r][t]);
      } else if (left > 0) {
        alignas(64) float all[S::kRows];
        S::store_floats(all, acc[r][t]);
        for (int i = 0; i < left; ++i) out[r * S::kRows + i] = all[i];
      }
    }
  }
}

template <class F>
static void matmul_panel(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  const Panel p = Panel::place<F>(scratch, x.k);
  for (int row = 0; row < w.n_rows; row += kPanelRows) {
    unpack_panel<F>(w, row, x.k, p);
    const int n_rows = w.n_rows - row;
    int t = 0;
    for (; t + S::kTileTokens <= x.n; t += S::kTileTokens) {
      panel_tile<F, S::kTileTokens>(p, x, t, y + row, ldy, n_rows);
    }
    if (S::kTileTokens > 4 && t + 4 <= x.n) {
      panel_tile<F, 4>(p, x, t, y + row, ldy, n_rows);
      t += 4;
    }
    if (t + 2 <= x.n) {
      panel_tile<F, 2>(p, x, t, y + row, ldy, n_rows);
      t += 2;
    }
    if (t < x.n) panel_tile<F, 1>(p, x, t, y + row, ldy, n_rows);
  }
}

// From this many tokens on unpacking a panel pays.
inline constexpr int kPanelMinTokens = 6;

template <class F>
static void matmul_quantised(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept {
  if (x.n >= kPanelMinTokens) {
    matmul_panel<F>(w, x, y, ldy, scratch);
  } else {
    matmul_rows<F>(w, x, y, ldy);
  }
}

}  // namespace kedge::KEDGE_ISA
