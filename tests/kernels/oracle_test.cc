// The scalar reference against double precision (Eigen): the reference defines the bits, this bounds its error.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/base/aligned.h"
#include "kernels/reference/reference.h"

namespace kedge::kernels {
namespace {

std::vector<float> normal(size_t n, uint32_t seed, float sd = 1.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> d(0.0f, sd);
  std::vector<float> v(n);
  for (float& x : v) x = d(rng);
  return v;
}

Eigen::VectorXd to_double(const std::vector<float>& v) {
  return Eigen::Map<const Eigen::VectorXf>(v.data(), static_cast<Eigen::Index>(v.size())).cast<double>();
}

TEST(Oracle, Exp) {
  double worst = 0;
  for (int i = -869999; i <= 879999; ++i) {
    const float x = static_cast<float>(i) * 1e-4f;
    const double want = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::fabs(reference::exp(x) - want) / want);
  }
  EXPECT_LT(worst, 1.2e-7);  // one unit in the last place
  EXPECT_EQ(1.0f, reference::exp(0.0f));
  EXPECT_EQ(0.0f, reference::exp(-INFINITY));
  EXPECT_EQ(0.0f, reference::exp(-88.0f));
}

TEST(Oracle, Tanh) {
  for (int i = -200000; i <= 200000; ++i) {
    const float x = static_cast<float>(i) * 1e-4f;
    EXPECT_NEAR(std::tanh(static_cast<double>(x)), reference::tanh(x), 2e-7) << x;
  }
}

TEST(Oracle, TreeSumsAllLanes) {
  for (int i = 0; i < 16; ++i) {
    float lanes[16] = {};
    lanes[i] = 3.0f;
    EXPECT_EQ(3.0f, reference::tree16(lanes));
  }
}

TEST(Oracle, RmsNormSiluSoftmax) {
  for (const int n : {1, 15, 64, 1000}) {
    const auto un = static_cast<size_t>(n);
    const auto x = normal(un, 1, 2.0f);
    const auto w = normal(un, 2);
    std::vector<float> y(un);
    reference::rms_norm(x.data(), w.data(), y.data(), n, 1e-6f);
    const Eigen::VectorXd xd = to_double(x);
    const Eigen::VectorXd wd = to_double(w);
    const Eigen::VectorXd norm = xd.array() / std::sqrt(xd.squaredNorm() / n + 1e-6) * wd.array();
    EXPECT_LT((to_double(y) - norm).cwiseAbs().maxCoeff(), 4e-6) << n;
    reference::silu_mul(x.data(), w.data(), y.data(), n);
    const Eigen::VectorXd silu = xd.array() / (1.0 + (-xd.array()).exp()) * wd.array();
    EXPECT_LT((to_double(y) - silu).cwiseAbs().maxCoeff(), 4e-6) << n;
    y = x;
    reference::softmax(y.data(), n);
    const Eigen::VectorXd e = (xd.array() - xd.maxCoeff()).exp();
    EXPECT_LT((to_double(y) - e / e.sum()).cwiseAbs().maxCoeff(), 3e-7) << n;
  }
}

TEST(Oracle, RopeIsARotation) {
  const double angle = 0.7;
  const float cs[4] = {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)), 1.0f, 0.0f};
  float half[4] = {1, 2, 3, 4};
  reference::rope_half(half, cs, 2);
  EXPECT_NEAR(std::cos(angle) - 3 * std::sin(angle), half[0], 1e-6);
  EXPECT_NEAR(3 * std::cos(angle) + std::sin(angle), half[2], 1e-6);
  EXPECT_EQ(2.0f, half[1]);
  EXPECT_EQ(4.0f, half[3]);
  float pairs[4] = {1, 2, 3, 4};
  reference::rope_interleaved(pairs, cs, 2);
  EXPECT_NEAR(std::cos(angle) - 2 * std::sin(angle), pairs[0], 1e-6);
  EXPECT_NEAR(2 * std::cos(angle) + std::sin(angle), pairs[1], 1e-6);
  EXPECT_EQ(3.0f, pairs[2]);
}

TEST(Oracle, ActivationCodesAreWithinHalfAStep) {
  const auto x = normal(512, 3, 5.0f);
  std::vector<int8_t> q(512);
  std::vector<float> d(16);
  std::vector<int16_t> s16(32), s32(16);
  auto check = [&](size_t group) {
    for (size_t i = 0; i < x.size(); ++i) {
      const float step = d[i / group];
      EXPECT_NEAR(x[i], step * static_cast<float>(q[i]), 0.5001f * step) << i;
    }
    for (size_t b = 0; b < 16; ++b) {
      int sum = 0;
      for (size_t i = 0; i < 32; ++i) sum += q[b * 32 + i];
      EXPECT_EQ(sum, s32[b]);
    }
  };
  reference::quantise_block32(x.data(), 512, q.data(), d.data(), s32.data());
  check(32);
  reference::quantise_super256(x.data(), 512, q.data(), d.data(), s16.data(), s32.data());
  check(256);
  EXPECT_EQ(s32[3], s16[6] + s16[7]);
}

// Products against the double product of the dequantised weights and dequantised activations: what is left is the
// rounding of the accumulator.
TEST(Oracle, MatmulOfEveryFormat) {
  constexpr int kK = 768;
  constexpr int kRows = 9;
  constexpr int kTokens = 3;
  auto scratch = AlignedBytes::make(matmul_scratch_bytes(kK), "scratch").value();
  for (const QuantFormat& f : quant_formats()) {
    if (f.quantise == nullptr) continue;
    const auto values = normal(kRows * kK, 7, 0.05f);
    std::vector<std::byte> w(f.row_bytes(kK) * kRows);
    f.quantise(values.data(), nullptr, w.data(), values.size());
    std::vector<float> wf(kRows * kK);
    f.dequantise(w.data(), wf.data(), wf.size());
    std::vector<float> x = normal(kTokens * kK, 8);
    std::vector<int8_t> q(kTokens * kK);
    std::vector<float> d(kTokens * kK / 32);
    std::vector<int16_t> s16(kTokens * kK / 16), s32(kTokens * kK / 32);
    std::vector<float> seen = x;  // the activations as the kernel sees them
    const size_t group = f.family == QuantFamily::kBlock32 ? 32 : 256;
    for (size_t t = 0; t < kTokens && f.family != QuantFamily::kFloat; ++t) {
      if (group == 32) {
        reference::quantise_block32(&x[t * kK], kK, &q[t * kK], &d[t * kK / 32], &s32[t * kK / 32]);
      } else {
        reference::quantise_super256(&x[t * kK], kK, &q[t * kK], &d[t * kK / 256], &s16[t * kK / 16],
                                     &s32[t * kK / 32]);
      }
      for (size_t i = 0; i < kK; ++i)
        seen[t * kK + i] = static_cast<float>(q[t * kK + i]) * d[t * (kK / group) + i / group];
    }
    ActRows acts;
    acts.n = kTokens;
    acts.k = kK;
    acts.x = x.data();
    acts.q = q.data();
    acts.d = d.data();
    acts.sums16 = s16.data();
    acts.sums32 = s32.data();
    std::vector<float> y(kTokens * kRows);
    reference::matmul(f.index)({w.data(), f.row_bytes(kK), kRows}, acts, y.data(), kRows, scratch.data());
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::MatrixXd want = Eigen::Map<const Matrix>(seen.data(), kTokens, kK).cast<double>() *
                                 Eigen::Map<const Matrix>(wf.data(), kRows, kK).cast<double>().transpose();
    const Eigen::MatrixXd got = Eigen::Map<const Matrix>(y.data(), kTokens, kRows).cast<double>();
    const double nmse = (got - want).squaredNorm() / want.squaredNorm();
    EXPECT_LT(nmse, 1e-12) << f.name;
  }
}

}  // namespace
}  // namespace kedge::kernels
