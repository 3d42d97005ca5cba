// Norms and activations: every table returns the bits of the reference, within its rows, and the reference is close to
// double precision over the whole range.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/isa.h"
#include "kernels/reference/reference.h"
#include "tests/kernels/guarded.h"

namespace kedge::kernels {
namespace {

const KernelTable& reference() { return *find_kernels("reference").value(); }

std::vector<float> normal(size_t n, uint32_t seed, float sd = 1.0f, float mean = 0.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> d(mean, sd);
  std::vector<float> v(n);
  for (float& x : v) x = d(rng);
  return v;
}

void expect_same_bits(const std::vector<float>& want, const std::vector<float>& got, const std::string& what) {
  ASSERT_EQ(want.size(), got.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(0, std::memcmp(&want[i], &got[i], 4))
        << what << " element " << i << ": reference " << want[i] << ", got " << got[i];
  }
}

struct Named {
  Activation f;
  const char* name;
  std::function<double(double)> meaning;
};
const std::vector<Named>& activations() {
  static const std::vector<Named> all = {
      {Activation::kSilu, "silu", [](double x) { return x / (1 + std::exp(-x)); }},
      {Activation::kGeluTanh, "gelu_tanh",
       [](double x) { return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }},
      {Activation::kGeluErf, "gelu_erf", [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }},
      {Activation::kReluSquared, "relu_squared", [](double x) { return x > 0 ? x * x : 0.0; }},
      {Activation::kSigmoid, "sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
      {Activation::kSoftplus, "softplus",
       [](double x) { return (x > 0 ? x : 0.0) + std::log1p(std::exp(-std::fabs(x))); }},
      {Activation::kTanh, "tanh", [](double x) { return std::tanh(x); }},
      {Activation::kExp, "exp", [](double x) { return std::exp(x); }},
  };
  return all;
}

// In (y is x) and out of place, y and what is read at the edge of their memory.
void check_rows(const std::string& what, int n, const std::vector<float>& x, const std::vector<float>& w,
                const std::function<void(const KernelTable&, const float* x, const float* w, float* y)>& call) {
  const auto un = static_cast<size_t>(n);
  const Guarded gx(un * 4), gw(un * 4), gy(un * 4);
  const auto run = [&](const KernelTable& t, bool in_place) {
    std::memcpy(gx.data(), x.data(), un * 4);
    std::memcpy(gw.data(), w.data(), un * 4);
    if (in_place) std::memcpy(gy.data(), x.data(), un * 4);
    call(t, in_place ? gy.floats() : gx.floats(), gw.floats(), gy.floats());
    return std::vector<float>(gy.floats(), gy.floats() + n);
  };
  const std::vector<float> want = run(reference(), false);
  for (const KernelTable* t : usable_kernels()) {
    const std::string at = what + " " + t->name + " n=" + std::to_string(n);
    expect_same_bits(want, run(*t, false), at);
    expect_same_bits(want, run(*t, true), at + " in place");
  }
}

TEST(Rows, SameBitsOfAllSizes) {
  for (int n = 1; n <= 70; ++n) {
    const auto x = normal(static_cast<size_t>(n), static_cast<uint32_t>(n), 3.0f, 0.5f);
    const auto w = normal(static_cast<size_t>(n), static_cast<uint32_t>(n) + 1000);
    using T = const KernelTable&;
    check_rows("rms_norm", n, x, w, [n](T t, auto* a, auto* b, auto* y) { t.rms_norm(a, b, y, n, 1e-5f); });
    check_rows("rms_norm alone", n, x, w, [n](T t, auto* a, auto*, auto* y) { t.rms_norm(a, nullptr, y, n, 1e-5f); });
    check_rows("layer_norm", n, x, w, [n](T t, auto* a, auto* b, auto* y) { t.layer_norm(a, b, b, y, n, 1e-5f); });
    check_rows("layer_norm without bias", n, x, w,
               [n](T t, auto* a, auto* b, auto* y) { t.layer_norm(a, b, nullptr, y, n, 1e-5f); });
    check_rows("layer_norm alone", n, x, w,
               [n](T t, auto* a, auto*, auto* y) { t.layer_norm(a, nullptr, nullptr, y, n, 1e-5f); });
    check_rows("l2_norm", n, x, w, [n](T t, auto* a, auto*, auto* y) { t.l2_norm(a, y, n, 1e-6f); });
    check_rows("swiglu_clipped", n, x, w,
               [n](T t, auto* a, auto* b, auto* y) { t.swiglu_clipped(a, b, y, n, 1.702f, 0.8f); });
    for (const Named& f : activations()) {
      check_rows(f.name, n, x, w, [&](T t, auto* a, auto*, auto* y) { t.activate(f.f, a, y, n); });
      check_rows(std::string(f.name) + " gate", n, x, w,
                 [&](T t, auto* a, auto* b, auto* y) { t.activate_mul(f.f, a, b, y, n); });
    }
    const auto copied = [n](const float* from, float* to) {
      if (from != to) std::memcpy(to, from, static_cast<size_t>(n) * 4);
      return to;
    };
    check_rows("mul", n, x, w, [&](T t, auto* a, auto* b, auto* y) { t.mul(b, copied(a, y), n); });
    check_rows("scale", n, x, w, [&](T t, auto* a, auto*, auto* y) { t.scale(0.37f, copied(a, y), n); });
    check_rows("softcap", n, x, w, [&](T t, auto* a, auto*, auto* y) { t.softcap(2.5f, copied(a, y), n); });
  }
}

TEST(Rows, ActivationsOverTheWholeRange) {
  std::vector<float> x;
  for (int i = -40000; i <= 40000; ++i) x.push_back(static_cast<float>(i) * 0.005f);
  for (const float v : {-1e30f, 1e30f, -0.0f, 1e-40f, -1e-40f, -88.5f, 88.5f, 87.0f, -87.0f, 13.3f, -13.3f}) {
    x.push_back(v);
  }
  std::vector<float> want(x.size()), got(x.size());
  const int n = static_cast<int>(x.size());
  for (const Named& f : activations()) {
    reference().activate(f.f, x.data(), want.data(), n);
    for (const float v : want) ASSERT_TRUE(std::isfinite(v) || f.f == Activation::kReluSquared) << f.name;
    for (const KernelTable* t : usable_kernels()) {
      t->activate(f.f, x.data(), got.data(), n);
      expect_same_bits(want, got, std::string(f.name) + " " + t->name);
    }
  }
}

// A few units in the last place, also where the function is tiny; tanh, which is used for caps, absolutely.
TEST(RowsOracle, Activations) {
  for (const Named& f : activations()) {
    double relative = 0;
    double absolute = 0;
    for (int i = -130000; i <= 130000; ++i) {
      const float x = static_cast<float>(i) * 1e-4f;
      const double want = f.meaning(static_cast<double>(x));
      const double error = std::fabs(static_cast<double>(reference::activate(f.f, x)) - want);
      absolute = std::max(absolute, error);
      if (std::fabs(want) > 1e-30) relative = std::max(relative, error / std::fabs(want));
    }
    if (f.f == Activation::kTanh) {
      EXPECT_LT(absolute, 2e-7);
    } else {
      // The form with tanh has the rounding of a cube in its exponent.
      EXPECT_LT(relative, f.f == Activation::kGeluTanh ? 1e-5 : 6e-7) << f.name;
    }
  }
}

TEST(RowsOracle, Norms) {
  for (const int n : {1, 2, 15, 64, 1000}) {
    const auto un = static_cast<size_t>(n);
    const auto x = normal(un, 1, 2.0f, 3.0f);
    const auto w = normal(un, 2);
    const auto b = normal(un, 3);
    std::vector<float> layer(un), rms(un), unit(un);
    reference().layer_norm(x.data(), w.data(), b.data(), layer.data(), n, 1e-5f);
    reference().rms_norm(x.data(), nullptr, rms.data(), n, 1e-5f);
    reference().l2_norm(x.data(), unit.data(), n, 1e-6f);
    double mean = 0;
    double squares = 0;
    for (const float v : x) {
      mean += static_cast<double>(v) / n;
      squares += static_cast<double>(v) * static_cast<double>(v);
    }
    double variance = 0;
    for (const float v : x) variance += (v - mean) * (v - mean) / n;
    for (size_t i = 0; i < un; ++i) {
      EXPECT_NEAR((x[i] - mean) / std::sqrt(variance + 1e-5) * w[i] + b[i], static_cast<double>(layer[i]), 4e-6) << n;
      EXPECT_NEAR(x[i] / std::sqrt(squares / n + 1e-5), static_cast<double>(rms[i]), 2e-6) << n;
      EXPECT_NEAR(x[i] / std::sqrt(squares), static_cast<double>(unit[i]), 4e-7) << n;
    }
  }
  const float small[2] = {3e-8f, -4e-8f};  // shorter than eps: not blown up
  float y[2];
  reference().l2_norm(small, y, 2, 1e-6f);
  EXPECT_FLOAT_EQ(0.03f, y[0]);
  EXPECT_FLOAT_EQ(-0.04f, y[1]);
}

TEST(RowsOracle, ClippedSwiglu) {
  const float gate[4] = {2.0f, 9.0f, -9.0f, 0.5f};
  const float up[4] = {1.0f, 9.0f, -9.0f, -0.25f};
  float y[4];
  reference().swiglu_clipped(gate, up, y, 4, 1.702f, 7.0f);
  const auto want = [](double g, double u) { return g / (1 + std::exp(-1.702 * g)) * (u + 1); };
  EXPECT_NEAR(want(2, 1), y[0], 1e-6);
  EXPECT_NEAR(want(7, 7), y[1], 1e-5);
  EXPECT_NEAR(want(-9, -7), y[2], 1e-9);  // the gate has no lower limit
  EXPECT_NEAR(want(0.5, -0.25), y[3], 1e-7);
}

}  // namespace
}  // namespace kedge::kernels
