// What carries a state from token to token, as reference/recurrent.cc has it: lanes are columns, a block of which walks
// through all tokens of the call. What a token changes and what the next one reads is one pass over the block.
#include "kernels/simd/rows.h"

#include <cstring>

#include "kernels/simd/recurrent_columns.h"

namespace kedge::kernels::KEDGE_ISA {

namespace {

// sum over i of x[i] * row i, i ascending.
template <class B>
KEDGE_INLINE void read_block(const B& b, const Place& s, const float* x, int rows, V (&sum)[B::kVectors]) {
#pragma GCC unroll 8
  for (int c = 0; c < B::kVectors; ++c) sum[c] = V::zero();
  for (int i = 0; i < rows; ++i) {
    const V xi = V::set1(x[i]);
#pragma GCC unroll 8
    for (int c = 0; c < B::kVectors; ++c) sum[c] = fma(xi, b.load(s.row(i), c), sum[c]);
  }
}

// One token's update of a block, with what the token reads after it and, with kNext, what the next one reads first.
template <bool kNext, class B>
KEDGE_INLINE void delta_update(const B& b, const DeltaRows& a, int t, const Place& from, const Place& to, float decay,
                               const V (&change)[B::kVectors], V (&out)[B::kVectors], V (&read)[B::kVectors]) {
  const float* q = a.q + to_size(t) * a.ldq;
  const float* k = a.k + to_size(t) * a.ldk;
  const float* next = k + (kNext ? a.ldk : 0);
  const V kept = V::set1(decay);
#pragma GCC unroll 8
  for (int c = 0; c < B::kVectors; ++c) out[c] = read[c] = V::zero();
  for (int i = 0; i < a.d_k; ++i) {
    const V ki = V::set1(k[i]);
    const V qi = V::set1(q[i]);
    const V ni = V::set1(next[i]);
#pragma GCC unroll 8
    for (int c = 0; c < B::kVectors; ++c) {
      const V s = fma(ki, change[c], kept * b.load(from.row(i), c));
      b.store(s, to.row(i), c);
      out[c] = fma(qi, s, out[c]);
      if constexpr (kNext) read[c] = fma(ni, s, read[c]);
    }
  }
}

template <class B>
KEDGE_INLINE void delta_block(const B& b, const DeltaRows& a, int first) {
  constexpr int kC = B::kVectors;
  const Path<kC> path(a.state, a.next_state, a.d_k, a.d_v, first, a.n);
  V read[kC];
  V change[kC];
  V out[kC];
  read_block(b, path.before, a.k, a.d_k, read);
  for (int t = 0; t < a.n; ++t) {
    const float decay = exp_scalar(a.log_decay[to_size(t) * a.ld_decay]);
    const V rate = V::set1(a.beta[to_size(t) * a.ld_beta]);
    const float* v = a.v + to_size(t) * a.ldv + first;
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) change[c] = rate * fma(V::set1(-decay), read[c], b.load(v, c));
    if (t + 1 < a.n) {
      delta_update<true>(b, a, t, path.from(t), path.to(t), decay, change, out, read);
    } else {
      delta_update<false>(b, a, t, path.from(t), path.to(t), decay, change, out, read);
    }
    float* y = a.out + to_size(t) * a.ld_out + first;
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) b.store(out[c] * V::set1(a.scale), y, c);
  }
}

template <class B>
KEDGE_INLINE void mamba2_block(const B& b, const Mamba2Rows& a, int first) {
  constexpr int kC = B::kVectors;
  const Path<kC> path(a.state, a.next_state, a.d_state, a.head_dim, first, a.n);
  for (int t = 0; t < a.n; ++t) {
    const Place from = path.from(t);
    const Place to = path.to(t);
    const float dt = a.dt[to_size(t) * a.ld_dt];
    const V decay = V::set1(exp_scalar(dt * a.a));
    const float* x = a.x + to_size(t) * a.ldx + first;
    const float* in = a.b + to_size(t) * a.ldb;
    const float* read = a.c + to_size(t) * a.ldc;
    V add[kC];
    V y[kC];
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) {
      add[c] = V::set1(dt) * b.load(x, c);
      y[c] = V::zero();
    }
    for (int i = 0; i < a.d_state; ++i) {
      const V bi = V::set1(in[i]);
      const V ci = V::set1(read[i]);
#pragma GCC unroll 8
      for (int c = 0; c < kC; ++c) {
        const V s = fma(bi, add[c], decay * b.load(from.row(i), c));
        b.store(s, to.row(i), c);
        y[c] = fma(ci, s, y[c]);
      }
    }
    float* out = a.y + to_size(t) * a.ldy + first;
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) b.store(fma(V::set1(a.d), b.load(x, c), y[c]), out, c);
  }
}

template <class B>
KEDGE_INLINE void mamba1_block(const B& b, const Mamba1Rows& a, int first) {
  constexpr int kC = B::kVectors;
  const Path<kC> path(a.state, a.next_state, a.d_state, a.channels, first, a.n);
  const Place factors{const_cast<float*>(a.a) + first, to_size(a.channels)};
  for (int t = 0; t < a.n; ++t) {
    const Place from = path.from(t);
    const Place to = path.to(t);
    const float* x = a.x + to_size(t) * a.ldx + first;
    const float* steps = a.dt + to_size(t) * a.ld_dt + first;
    const float* in = a.b + to_size(t) * a.ldb;
    const float* read = a.c + to_size(t) * a.ldc;
    V dt[kC];
    V add[kC];
    V y[kC];
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) {
      dt[c] = b.load(steps, c);
      add[c] = dt[c] * b.load(x, c);
      y[c] = V::zero();
    }
    for (int i = 0; i < a.d_state; ++i) {
      const V bi = V::set1(in[i]);
      const V ci = V::set1(read[i]);
#pragma GCC unroll 8
      for (int c = 0; c < kC; ++c) {
        const V decay = exp(dt[c] * b.load(factors.row(i), c));
        const V s = fma(bi, add[c], decay * b.load(from.row(i), c));
        b.store(s, to.row(i), c);
        y[c] = fma(ci, s, y[c]);
      }
    }
    float* out = a.y + to_size(t) * a.ldy + first;
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) b.store(fma(b.load(a.d + first, c), b.load(x, c), y[c]), out, c);
  }
}

// As delta_update().
template <bool kNext, class B>
KEDGE_INLINE void rwkv7_update(const B& b, const Rwkv7Rows& a, int t, int first, const Place& from, const Place& to,
                               V (&read)[B::kVectors]) {
  constexpr int kC = B::kVectors;
  const size_t at = to_size(t) * a.ld;
  const float* next = a.a + at + (kNext ? a.ld : 0);
  V v[kC];
  V out[kC];
  V coming[kC];
#pragma GCC unroll 8
  for (int c = 0; c < kC; ++c) {
    v[c] = b.load(a.v + at + first, c);
    out[c] = coming[c] = V::zero();
  }
  for (int i = 0; i < a.d; ++i) {
    const size_t x = at + to_size(i);
    const V wi = V::set1(a.w[x]);
    const V ki = V::set1(a.k[x]);
    const V bi = V::set1(a.b[x]);
    const V ri = V::set1(a.r[x]);
    const V ni = V::set1(next[i]);
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) {
      const V s = fma(bi, read[c], fma(ki, v[c], wi * b.load(from.row(i), c)));
      b.store(s, to.row(i), c);
      out[c] = fma(ri, s, out[c]);
      if constexpr (kNext) coming[c] = fma(ni, s, coming[c]);
    }
  }
  float* y = a.out + to_size(t) * a.ld_out + first;
#pragma GCC unroll 8
  for (int c = 0; c < kC; ++c) {
    b.store(out[c], y, c);
    read[c] = coming[c];
  }
}

template <class B>
KEDGE_INLINE void rwkv7_block(const B& b, const Rwkv7Rows& a, int first) {
  const Path<B::kVectors> path(a.state, a.next_state, a.d, a.d, first, a.n);
  V read[B::kVectors];
  read_block(b, path.before, a.a, a.d, read);
  for (int t = 0; t + 1 < a.n; ++t) rwkv7_update<true>(b, a, t, first, path.from(t), path.to(t), read);
  rwkv7_update<false>(b, a, a.n - 1, first, path.from(a.n - 1), path.to(a.n - 1), read);
}

// Row r of the input, negative ones being before the first token.
KEDGE_INLINE const float* conv_row(const ConvRows& a, int r) {
  return r >= 0 ? a.x + to_size(r) * a.ldx : a.state + to_size(r + a.taps - 1) * to_size(a.channels);
}

// Channels [begin, end), few enough that their weights and rows stay in the first-level cache. kTaps 0: any number.
template <int kTaps>
KEDGE_INLINE void conv_channels(const ConvRows& a, int begin, int end) {
  const int taps = kTaps == 0 ? a.taps : kTaps;
  for (int t = 0; t < a.n; ++t) {
    const float* rows[kMaxConvTaps];
    for (int j = 0; j < taps; ++j) rows[j] = conv_row(a, t - taps + 1 + j);
    float* y = a.y + to_size(t) * a.ldy;
    for (int c = begin; c < end; c += 16) {
      const int left = end - c;
      V acc = a.bias == nullptr ? V::zero() : V::load_part(a.bias + c, left, 0.0f);
#pragma GCC unroll 8
      for (int j = 0; j < taps; ++j) {
        const V w = V::load_part(a.weight + to_size(j) * to_size(a.channels) + c, left, 0.0f);
        acc = fma(w, V::load_part(rows[j] + c, left, 0.0f), acc);
      }
      (a.silu ? silu(acc) : acc).store_part(y + c, left);
    }
  }
}

}  // namespace

void conv1d(const ConvRows& a) noexcept {
  constexpr int kBlock = 256;
  for (int c = a.begin; c < a.end; c += kBlock) {
    const int end = c + kBlock < a.end ? c + kBlock : a.end;
    if (a.taps == 4) {
      conv_channels<4>(a, c, end);
    } else if (a.taps == 3) {
      conv_channels<3>(a, c, end);
    } else {
      conv_channels<0>(a, c, end);
    }
  }
  const size_t bytes = to_size(a.end - a.begin) * sizeof(float);
  for (int i = 0; i < a.taps - 1 && a.begin < a.end; ++i) {  // ascending: a row is read before it is written
    const float* from = conv_row(a, a.n - a.taps + 1 + i) + a.begin;
    float* to = a.next_state + to_size(i) * to_size(a.channels) + a.begin;
    if (from != to) std::memcpy(to, from, bytes);
  }
}

void delta_net(const DeltaRows& a) noexcept {
  by_blocks(
      a.begin, a.end, [&](const auto& b, int first) __attribute__((always_inline)) { delta_block(b, a, first); });
}

void mamba2_scan(const Mamba2Rows& a) noexcept {
  by_blocks(
      a.begin, a.end, [&](const auto& b, int first) __attribute__((always_inline)) { mamba2_block(b, a, first); });
}

void mamba1_scan(const Mamba1Rows& a) noexcept {
  by_blocks(
      a.begin, a.end, [&](const auto& b, int first) __attribute__((always_inline)) { mamba1_block(b, a, first); });
}

void rwkv7_mix(const Rwkv7Rows& a) noexcept {
  by_blocks(
      a.begin, a.end, [&](const auto& b, int first) __attribute__((always_inline)) { rwkv7_block(b, a, first); });
}

}  // namespace kedge::kernels::KEDGE_ISA
