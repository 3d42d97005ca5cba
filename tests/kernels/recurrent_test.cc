// What carries a state from token to token: every table returns the bits of the reference however a text is cut into
// calls and its columns into shares, and the reference is close to double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/isa.h"
#include "tests/kernels/guarded.h"

namespace kedge::kernels {
namespace {

const KernelTable& reference() { return *find_kernels("reference").value(); }

size_t to_size(int x) { return static_cast<size_t>(x); }

std::vector<float> normal(int n, uint32_t seed, float sd = 1.0f, float mean = 0.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> d(mean, sd);
  std::vector<float> v(to_size(n));
  for (float& x : v) x = d(rng);
  return v;
}
std::vector<float> uniform(int n, uint32_t seed, float from, float to) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> d(from, to);
  std::vector<float> v(to_size(n));
  for (float& x : v) x = d(rng);
  return v;
}

// One operation over a text of kTokens: its inputs, its state before the first token, how to call it, what it means.
constexpr int kTokens = 61;
using Call = std::function<void(const KernelTable&, int first, int n, int begin, int end, const float* state,
                                float* next, float* out)>;
using Meaning = std::function<void(std::vector<double>& state, std::vector<double>& out)>;
struct Operation {
  std::string name;
  int columns;                // of an output row and of a state row
  std::vector<float> before;  // the state
  Call call;
  Meaning meaning;
  std::vector<std::vector<float>> inputs;  // kept alive
};

struct Outcome {
  std::vector<float> out, state;
};

// In calls of `step` tokens, each of which does its columns in `shares` pieces; the state stays in its place or moves.
Outcome run(const Operation& o, const KernelTable& t, int step, int shares, bool in_place) {
  const int n_state = static_cast<int>(o.before.size());
  const Guarded a(o.before.size() * sizeof(float)), b(o.before.size() * sizeof(float));
  const Guarded out(to_size(kTokens * o.columns) * sizeof(float));
  std::copy(o.before.begin(), o.before.end(), a.floats());
  float* state = a.floats();
  float* other = in_place ? state : b.floats();
  for (int first = 0; first < kTokens; first += step) {
    const int n = std::min(step, kTokens - first);
    for (int s = 0; s < shares; ++s) {
      o.call(t, first, n, o.columns * s / shares, o.columns * (s + 1) / shares, state, other,
             out.floats() + first * o.columns);
    }
    std::swap(state, other);
  }
  return {{out.floats(), out.floats() + kTokens * o.columns}, {state, state + n_state}};
}

void expect_same_bits(const std::vector<float>& want, const std::vector<float>& got, const std::string& what) {
  ASSERT_EQ(want.size(), got.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(0, std::memcmp(&want[i], &got[i], 4))
        << what << " element " << i << ": reference " << want[i] << ", got " << got[i];
  }
}

double worst(const std::vector<double>& want, const std::vector<float>& got) {
  double size = 0;
  double error = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    size = std::max(size, std::fabs(want[i]));
    error = std::max(error, std::fabs(want[i] - static_cast<double>(got[i])));
  }
  return error / size;
}

// Bits and meaning of an operation.
void check(const Operation& o) {
  const Outcome want = run(o, reference(), kTokens, 1, false);
  std::vector<double> state(o.before.begin(), o.before.end());
  std::vector<double> out(want.out.size());
  o.meaning(state, out);
  EXPECT_LT(worst(out, want.out), 3e-6) << o.name;
  EXPECT_LT(worst(state, want.state), 3e-6) << o.name << " state";
  for (const KernelTable* t : usable_kernels()) {
    for (const int step : {1, 2, 7, 33, kTokens}) {
      for (const int shares : {1, 3}) {
        for (const bool in_place : {false, true}) {
          const Outcome got = run(o, *t, step, shares, in_place);
          const std::string what = o.name + " " + t->name + " step=" + std::to_string(step) +
                                   " shares=" + std::to_string(shares) + (in_place ? " in place" : "");
          expect_same_bits(want.out, got.out, what);
          expect_same_bits(want.state, got.state, what + " state");
        }
      }
    }
  }
}

double silu(double x) { return x / (1 + std::exp(-x)); }

Operation convolution(int channels, int taps, bool bias, bool with_silu) {
  const int ld = channels + 5;
  Operation o{"conv " + std::to_string(channels) + "x" + std::to_string(taps),
              channels,
              normal((taps - 1) * channels, 1),
              {},
              {},
              {normal(kTokens * ld, 2), normal(taps * channels, 3), normal(channels, 4)}};
  const float *x = o.inputs[0].data(), *w = o.inputs[1].data(), *b = bias ? o.inputs[2].data() : nullptr;
  o.call = [=](const KernelTable& t, int first, int n, int begin, int end, const float* state, float* next, float* y) {
    ConvRows r;
    r.n = n;
    r.channels = channels;
    r.begin = begin;
    r.end = end;
    r.taps = taps;
    r.x = x + first * ld;
    r.ldx = to_size(ld);
    r.weight = w;
    r.bias = b;
    r.silu = with_silu;
    r.state = state;
    r.next_state = next;
    r.y = y;
    r.ldy = to_size(channels);
    t.conv1d(r);
  };
  o.meaning = [=](std::vector<double>& state, std::vector<double>& out) {
    std::vector<double> rows = state;  // before the first token, then x
    for (int t = 0; t < kTokens; ++t) {
      for (int c = 0; c < channels; ++c) rows.push_back(x[t * ld + c]);
    }
    for (int t = 0; t < kTokens; ++t) {
      for (int c = 0; c < channels; ++c) {
        double sum = b == nullptr ? 0 : b[c];
        for (int j = 0; j < taps; ++j) sum += w[j * channels + c] * rows[to_size((t + j) * channels + c)];
        out[to_size(t * channels + c)] = with_silu ? silu(sum) : sum;
      }
    }
    std::copy(rows.end() - (taps - 1) * channels, rows.end(), state.begin());
  };
  return o;
}

TEST(Recurrent, Convolution) {
  check(convolution(1, 4, false, true));
  check(convolution(40, 3, true, false));
  check(convolution(37, 4, true, true));
  check(convolution(300, 2, false, false));
  check(convolution(17, kMaxConvTaps, true, true));
}

Operation delta(int d_k, int d_v) {
  const int ld = 2 * d_k + d_v + 3;
  Operation o{"delta " + std::to_string(d_k) + "x" + std::to_string(d_v),
              d_v,
              normal(d_k * d_v, 1),
              {},
              {},
              {normal(kTokens * ld, 2), uniform(kTokens * 2, 3, -2.0f, 0.0f), uniform(kTokens * 3, 4, 0.0f, 1.0f)}};
  float* rows = o.inputs[0].data();
  for (int t = 0; t < kTokens; ++t) {  // unit keys and queries, as the models have them
    for (float* x : {rows + t * ld, rows + t * ld + d_k}) reference().l2_norm(x, x, d_k, 1e-6f);
  }
  const float *g = o.inputs[1].data(), *beta = o.inputs[2].data();
  o.call = [=](const KernelTable& t, int first, int n, int begin, int end, const float* state, float* next, float* y) {
    DeltaRows r;
    r.n = n;
    r.d_k = d_k;
    r.d_v = d_v;
    r.begin = begin;
    r.end = end;
    r.q = rows + first * ld;
    r.k = r.q + d_k;
    r.v = r.k + d_k;
    r.ldq = r.ldk = r.ldv = to_size(ld);
    r.log_decay = g + first * 2;
    r.ld_decay = 2;
    r.beta = beta + first * 3;
    r.ld_beta = 3;
    r.scale = 0.25f;
    r.state = state;
    r.next_state = next;
    r.out = y;
    r.ld_out = to_size(d_v);
    t.delta_net(r);
  };
  o.meaning = [=](std::vector<double>& s, std::vector<double>& out) {
    for (int t = 0; t < kTokens; ++t) {
      const float *q = rows + t * ld, *k = q + d_k, *v = k + d_k;
      for (double& x : s) x *= std::exp(static_cast<double>(g[2 * t]));
      for (int c = 0; c < d_v; ++c) {
        double read = 0;
        for (int i = 0; i < d_k; ++i) read += k[i] * s[to_size(i * d_v + c)];
        double y = 0;
        for (int i = 0; i < d_k; ++i) {
          s[to_size(i * d_v + c)] += k[i] * (beta[3 * t] * (v[c] - read));
          y += q[i] * s[to_size(i * d_v + c)];
        }
        out[to_size(t * d_v + c)] = y * 0.25;
      }
    }
  };
  return o;
}

TEST(Recurrent, DeltaNet) {
  check(delta(1, 1));
  check(delta(16, 16));
  check(delta(24, 37));
  check(delta(128, 128));
  check(delta(130, 80));  // more rows than are copied aside
}

Operation mamba2(int d_state, int head_dim) {
  const int ld = head_dim + 2 * d_state + 1;
  Operation o{"mamba2 " + std::to_string(d_state) + "x" + std::to_string(head_dim),
              head_dim,
              normal(d_state * head_dim, 1),
              {},
              {},
              {normal(kTokens * ld, 2), uniform(kTokens * 2, 3, 0.0f, 1.5f)}};
  const float *x = o.inputs[0].data(), *dt = o.inputs[1].data();
  constexpr float kA = -0.7f, kD = 1.3f;
  o.call = [=](const KernelTable& t, int first, int n, int begin, int end, const float* state, float* next, float* y) {
    Mamba2Rows r;
    r.n = n;
    r.d_state = d_state;
    r.head_dim = head_dim;
    r.begin = begin;
    r.end = end;
    r.x = x + first * ld;
    r.b = r.x + head_dim;
    r.c = r.b + d_state;
    r.ldx = r.ldb = r.ldc = to_size(ld);
    r.dt = dt + first * 2;
    r.ld_dt = 2;
    r.a = kA;
    r.d = kD;
    r.state = state;
    r.next_state = next;
    r.y = y;
    r.ldy = to_size(head_dim);
    t.mamba2_scan(r);
  };
  o.meaning = [=](std::vector<double>& s, std::vector<double>& out) {
    for (int t = 0; t < kTokens; ++t) {
      const float *xt = x + t * ld, *b = xt + head_dim, *c = b + d_state;
      const double step = dt[2 * t];
      for (int p = 0; p < head_dim; ++p) {
        double y = static_cast<double>(kD) * xt[p];
        for (int i = 0; i < d_state; ++i) {
          double& v = s[to_size(i * head_dim + p)];
          v = std::exp(step * static_cast<double>(kA)) * v + b[i] * step * xt[p];
          y += c[i] * v;
        }
        out[to_size(t * head_dim + p)] = y;
      }
    }
  };
  return o;
}

TEST(Recurrent, Mamba2) {
  check(mamba2(1, 1));
  check(mamba2(16, 10));
  check(mamba2(24, 64));
  check(mamba2(128, 80));
  check(mamba2(256, 64));
}

Operation mamba1(int d_state, int channels) {
  const int ld = 2 * channels + 2 * d_state;
  Operation o{"mamba1 " + std::to_string(d_state) + "x" + std::to_string(channels),
              channels,
              normal(d_state * channels, 1),
              {},
              {},
              {normal(kTokens * ld, 2), uniform(kTokens * channels, 3, 0.0f, 1.5f),
               uniform(d_state * channels, 4, -16.0f, -0.01f), normal(channels, 5)}};
  const float *x = o.inputs[0].data(), *dt = o.inputs[1].data(), *a = o.inputs[2].data(), *d = o.inputs[3].data();
  o.call = [=](const KernelTable& t, int first, int n, int begin, int end, const float* state, float* next, float* y) {
    Mamba1Rows r;
    r.n = n;
    r.d_state = d_state;
    r.channels = channels;
    r.begin = begin;
    r.end = end;
    r.x = x + first * ld;
    r.b = r.x + channels;
    r.c = r.b + d_state;
    r.ldx = r.ldb = r.ldc = to_size(ld);
    r.dt = dt + first * channels;
    r.ld_dt = to_size(channels);
    r.a = a;
    r.d = d;
    r.state = state;
    r.next_state = next;
    r.y = y;
    r.ldy = to_size(channels);
    t.mamba1_scan(r);
  };
  o.meaning = [=](std::vector<double>& s, std::vector<double>& out) {
    for (int t = 0; t < kTokens; ++t) {
      const float *xt = x + t * ld, *b = xt + channels, *c = b + d_state;
      for (int p = 0; p < channels; ++p) {
        const double step = dt[t * channels + p];
        double y = static_cast<double>(d[p]) * xt[p];
        for (int i = 0; i < d_state; ++i) {
          double& v = s[to_size(i * channels + p)];
          v = std::exp(step * static_cast<double>(a[i * channels + p])) * v + b[i] * step * xt[p];
          y += c[i] * v;
        }
        out[to_size(t * channels + p)] = y;
      }
    }
  };
  return o;
}

TEST(Recurrent, Mamba1) {
  check(mamba1(1, 3));
  check(mamba1(16, 80));
  check(mamba1(16, 150));
  check(mamba1(5, 33));
}

Operation rwkv7(int d) {
  const int ld = 6 * d + 2;
  Operation o{"rwkv7 " + std::to_string(d), d, normal(d * d, 1), {}, {}, {normal(kTokens * ld, 2, 0.5f)}};
  float* rows = o.inputs[0].data();
  const std::vector<float> rate = uniform(kTokens * d, 3, 0.0f, 1.0f);
  for (int t = 0; t < kTokens; ++t) {  // w a decay, a minus a unit key, b that key times a rate
    float *w = rows + t * ld + d, *a = rows + t * ld + 4 * d, *b = a + d;
    for (int i = 0; i < d; ++i) w[i] = 0.55f + 0.44f * std::tanh(w[i]);
    reference().l2_norm(a, a, d, 1e-6f);
    for (int i = 0; i < d; ++i) b[i] = -a[i] * rate[to_size(t * d + i)];
  }
  o.call = [=](const KernelTable& t, int first, int n, int begin, int end, const float* state, float* next, float* y) {
    Rwkv7Rows r;
    r.n = n;
    r.d = d;
    r.begin = begin;
    r.end = end;
    r.ld = to_size(ld);
    r.r = rows + first * ld;
    r.w = r.r + d;
    r.k = r.w + d;
    r.v = r.k + d;
    r.a = r.v + d;
    r.b = r.a + d;
    r.state = state;
    r.next_state = next;
    r.out = y;
    r.ld_out = to_size(d);
    t.rwkv7_mix(r);
  };
  o.meaning = [=](std::vector<double>& s, std::vector<double>& out) {
    for (int t = 0; t < kTokens; ++t) {
      const float *r = rows + t * ld, *w = r + d, *k = w + d, *v = k + d, *a = v + d, *b = a + d;
      for (int c = 0; c < d; ++c) {
        double read = 0;
        for (int i = 0; i < d; ++i) read += a[i] * s[to_size(i * d + c)];
        double y = 0;
        for (int i = 0; i < d; ++i) {
          double& x = s[to_size(i * d + c)];
          x = w[i] * x + static_cast<double>(k[i]) * v[c] + b[i] * read;
          y += r[i] * x;
        }
        out[to_size(t * d + c)] = y;
      }
    }
  };
  return o;
}

TEST(Recurrent, Rwkv7) {
  check(rwkv7(3));
  check(rwkv7(40));
  check(rwkv7(64));
}

}  // namespace
}  // namespace kedge::kernels
