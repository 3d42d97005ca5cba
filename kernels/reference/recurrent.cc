// What carries a state from token to token (kernels/recurrent.h): each column by itself, tokens in order.
#include <cmath>
#include <cstring>

#include "kernels/reference/reference.h"

namespace kedge::kernels::reference {

namespace {

size_t to_size(int x) { return static_cast<size_t>(x); }

// Columns [begin, end) of a state of `rows` rows, `width` wide, to where the call keeps it.
void take_state(const float* from, float* to, int rows, int width, int begin, int end) {
  for (int i = 0; i < rows && from != to; ++i) {
    const size_t at = to_size(i) * to_size(width) + to_size(begin);
    std::memcpy(to + at, from + at, to_size(end - begin) * sizeof(float));
  }
}

// Row r of a channel, negative ones being before the first token.
float conv_input(const ConvRows& a, int r, int c) {
  if (r >= 0) return a.x[to_size(r) * a.ldx + to_size(c)];
  return a.state[to_size(r + a.taps - 1) * to_size(a.channels) + to_size(c)];
}

}  // namespace

void conv1d(const ConvRows& a) noexcept {
  for (int c = a.begin; c < a.end; ++c) {
    for (int t = 0; t < a.n; ++t) {
      float acc = a.bias == nullptr ? 0.0f : a.bias[c];
      for (int j = 0; j < a.taps; ++j) {
        acc = std::fma(a.weight[to_size(j) * to_size(a.channels) + to_size(c)], conv_input(a, t - a.taps + 1 + j, c),
                       acc);
      }
      a.y[to_size(t) * a.ldy + to_size(c)] = a.silu ? activate(Activation::kSilu, acc) : acc;
    }
    // Ascending: where the state stays in its place, a row is read before it is written.
    for (int i = 0; i < a.taps - 1; ++i) {
      a.next_state[to_size(i) * to_size(a.channels) + to_size(c)] = conv_input(a, a.n - a.taps + 1 + i, c);
    }
  }
}

void delta_net(const DeltaRows& a) noexcept {
  take_state(a.state, a.next_state, a.d_k, a.d_v, a.begin, a.end);
  const size_t pitch = to_size(a.d_v);
  for (int c = a.begin; c < a.end; ++c) {
    float* s = a.next_state + c;
    for (size_t t = 0; t < to_size(a.n); ++t) {
      const float* q = a.q + t * a.ldq;
      const float* k = a.k + t * a.ldk;
      const float decay = exp(a.log_decay[t * a.ld_decay]);
      float read = 0.0f;  // of the state before its decay
      for (size_t i = 0; i < to_size(a.d_k); ++i) read = std::fma(k[i], s[i * pitch], read);
      const float change = a.beta[t * a.ld_beta] * std::fma(-decay, read, a.v[t * a.ldv + to_size(c)]);
      float out = 0.0f;
      for (size_t i = 0; i < to_size(a.d_k); ++i) {
        s[i * pitch] = std::fma(k[i], change, decay * s[i * pitch]);
        out = std::fma(q[i], s[i * pitch], out);
      }
      a.out[t * a.ld_out + to_size(c)] = out * a.scale;
    }
  }
}

void mamba2_scan(const Mamba2Rows& a) noexcept {
  take_state(a.state, a.next_state, a.d_state, a.head_dim, a.begin, a.end);
  const size_t pitch = to_size(a.head_dim);
  for (int p = a.begin; p < a.end; ++p) {
    float* s = a.next_state + p;
    for (size_t t = 0; t < to_size(a.n); ++t) {
      const float x = a.x[t * a.ldx + to_size(p)];
      const float dt = a.dt[t * a.ld_dt];
      const float decay = exp(dt * a.a);
      const float add = dt * x;
      float y = 0.0f;
      for (size_t i = 0; i < to_size(a.d_state); ++i) {
        s[i * pitch] = std::fma(a.b[t * a.ldb + i], add, decay * s[i * pitch]);
        y = std::fma(a.c[t * a.ldc + i], s[i * pitch], y);
      }
      a.y[t * a.ldy + to_size(p)] = std::fma(a.d, x, y);
    }
  }
}

void mamba1_scan(const Mamba1Rows& a) noexcept {
  take_state(a.state, a.next_state, a.d_state, a.channels, a.begin, a.end);
  const size_t pitch = to_size(a.channels);
  for (int c = a.begin; c < a.end; ++c) {
    float* s = a.next_state + c;
    for (size_t t = 0; t < to_size(a.n); ++t) {
      const float x = a.x[t * a.ldx + to_size(c)];
      const float dt = a.dt[t * a.ld_dt + to_size(c)];
      const float add = dt * x;
      float y = 0.0f;
      for (size_t i = 0; i < to_size(a.d_state); ++i) {
        const float decay = exp(dt * a.a[i * pitch + to_size(c)]);
        s[i * pitch] = std::fma(a.b[t * a.ldb + i], add, decay * s[i * pitch]);
        y = std::fma(a.c[t * a.ldc + i], s[i * pitch], y);
      }
      a.y[t * a.ldy + to_size(c)] = std::fma(a.d[c], x, y);
    }
  }
}

void rwkv7_mix(const Rwkv7Rows& a) noexcept {
  take_state(a.state, a.next_state, a.d, a.d, a.begin, a.end);
  const size_t pitch = to_size(a.d);
  for (int c = a.begin; c < a.end; ++c) {
    float* s = a.next_state + c;
    for (size_t t = 0; t < to_size(a.n); ++t) {
      const size_t at = t * a.ld;
      float read = 0.0f;
      for (size_t i = 0; i < pitch; ++i) read = std::fma(a.a[at + i], s[i * pitch], read);
      const float v = a.v[at + to_size(c)];
      float out = 0.0f;
      for (size_t i = 0; i < pitch; ++i) {
        const float kept = std::fma(a.k[at + i], v, a.w[at + i] * s[i * pitch]);
        s[i * pitch] = std::fma(a.b[at + i], read, kept);
        out = std::fma(a.r[at + i], s[i * pitch], out);
      }
      a.out[t * a.ld_out + to_size(c)] = out;
    }
  }
}

}  // namespace kedge::kernels::reference
