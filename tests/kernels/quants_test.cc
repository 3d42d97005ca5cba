// The weight formats: layout against the format's definition, the vector unpacking against the scalar one, and the
// quality of the quantisers against exhaustive search.
#include "kernels/quants.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "kernels/quant_contract.h"
#include "kernels/simd/scalar.h"
#include "registry/quants_headers.inc"

namespace kedge::kernels {
namespace {

std::vector<uint8_t> random_bytes(uint64_t seed, size_t n) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(n);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random() >> 56);
  return bytes;
}

// Normal values with a few outliers, as in real matrices.
std::vector<float> random_values(uint64_t seed, size_t n) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::vector<float> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = normal(random) * (random() % 64 == 0 ? 4.0f : 1.0f);
  return x;
}

std::vector<uint8_t> quantised(const QuantFormat& f, const std::vector<float>& x, const float* weights = nullptr) {
  std::vector<uint8_t> blocks(f.row_bytes(x.size()));
  f.quantise(x.data(), weights, blocks.data(), x.size());
  return blocks;
}

std::vector<float> dequantised(const QuantFormat& f, const std::vector<uint8_t>& blocks, size_t n) {
  std::vector<float> y(n);
  f.dequantise(blocks.data(), y.data(), n);
  return y;
}

double squared_error(const std::vector<float>& x, const std::vector<float>& y) {
  double e = 0;
  for (size_t i = 0; i < x.size(); ++i) e += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
  return e;
}

// Formats with a table load indices into it.
template <class F>
simd::Scalar::U8x32 looked_up(simd::Scalar::U8x32 v) {
  if constexpr (requires { F::kTable[0]; }) {
    for (uint8_t& x : v.v) x = F::kTable[x];
  }
  return v;
}

template <class F>
void check_load(const typename F::Block& block) {
  if constexpr (F::kFamily == QuantFamily::kBlock32) {
    for (int part = 0; part < quants::parts<F>(); ++part) {
      uint8_t codes[32];
      quants::unpack32<F>(&block, part, codes);
      for (const uint8_t c : codes) ASSERT_LE(int{c}, F::kMaxCode) << F::kName;
      const auto v = looked_up<F>(quants::load32<F, simd::Scalar>(&block, part));
      ASSERT_EQ(std::memcmp(v.v, codes, 32), 0) << F::kName;
    }
  } else if constexpr (F::kFamily == QuantFamily::kSuper256) {
    uint8_t codes[256];
    F::unpack(block, codes);
    for (const uint8_t c : codes) ASSERT_LE(int{c}, F::kMaxCode) << F::kName;
    {
      for (int g = 0; g < 8; ++g) {
        const auto v = looked_up<F>(F::template load<simd::Scalar>(block, g));
        ASSERT_EQ(std::memcmp(v.v, codes + 32 * g, 32), 0) << F::kName << " group " << g;
      }
    }
  }
}

template <class F>
void check_loads() {
  constexpr size_t kBlocks = 500;
  const auto bytes = random_bytes(F::kGgufId + 100, kBlocks * sizeof(typename F::Block));
  for (size_t i = 0; i < kBlocks; ++i) {
    typename F::Block block;
    std::memcpy(&block, bytes.data() + i * sizeof block, sizeof block);
    check_load<F>(block);
  }
}

TEST(Quants, LoadIsUnpack) {
#define KEDGE_ENTRY(name) check_loads<quants::name::Format>();
#include "registry/quants.inc"
#undef KEDGE_ENTRY
}

// Dequantised random bytes, every NaN made the same, hashed (FNV-1a). The expected hashes were computed with the
// format's own project, ggml 0.18.1, on the same bytes: an independent definition of all patterns, infinities included.
TEST(Quants, RandomBytesDequantiseAsInGgml) {
  const std::map<std::string, uint64_t> expected = {
      {"IQ4_NL", 0x468a7c1cc0ea7d68u},  {"IQ4_XS", 0x93957ced21028e63u},  {"MXFP4", 0xefc16d99ce85a04cu},
      {"Q2_K", 0x5f2ebcb43069d4a9u},    {"Q3_K", 0xa4ff3beb485ce2ceu},    {"Q4_0", 0x711936297bbf7d34u},
      {"Q4_1", 0x488a1e830ccce027u},    {"Q4_K", 0x17818d624b97b14fu},    {"Q5_0", 0xeecf7259ac8d8756u},
      {"Q5_1", 0xb2b3dda1c7dbab15u},    {"Q5_K", 0xb2e4bb80cbc2b470u},    {"Q6_K", 0x9c593916b0abb78au},
      {"Q8_0", 0x9173649811312e81u},    {"IQ2_XXS", 0xaff0e9293f70a341u}, {"IQ2_XS", 0x7a0e99e24e8fab17u},
      {"IQ3_XXS", 0x896e842619adb205u}, {"IQ1_S", 0x858052e25b928921u},   {"IQ3_S", 0xdedae24e11aa5dfbu},
      {"IQ2_S", 0x8abd9779d00d175eu},   {"IQ1_M", 0x122380694a8ac7fdu},   {"TQ1_0", 0x83b858ba6f18b30au},
      {"TQ2_0", 0xef591d7dff9ecf3eu},   {"NVFP4", 0x2e0e95d185f13249u},   {"Q1_0", 0xda0a088c949a6503u},
      {"Q2_0", 0x76f9646e40bd92a6u}};
  for (const auto& [name, hash] : expected) {
    const QuantFormat* f = find_quant(name);
    ASSERT_NE(f, nullptr) << name;
    constexpr size_t kBlocks = 4096;
    const auto values = dequantised(*f, random_bytes(f->gguf_id, kBlocks * static_cast<size_t>(f->block_bytes)),
                                    kBlocks * static_cast<size_t>(f->block_values));
    uint64_t h = 1469598103934665603u;
    for (const float v : values) {
      const uint32_t bits = std::isnan(v) ? 0x7fc00000u : std::bit_cast<uint32_t>(v);
      for (int i = 0; i < 4; ++i) h = (h ^ ((bits >> (8 * i)) & 255u)) * 1099511628211u;
    }
    EXPECT_EQ(h, hash) << name;
  }
}

TEST(Quants, RegistryIsConsistent) {
  for (const QuantFormat& f : quant_formats()) {
    EXPECT_EQ(find_quant(f.gguf_id), &f) << f.name;
    EXPECT_EQ(find_quant(f.name), &f) << f.name;
    EXPECT_EQ(&quant_formats()[static_cast<size_t>(f.index)], &f) << f.name;
    EXPECT_NE(f.quantise, nullptr) << f.name;
  }
  EXPECT_EQ(find_quant("q4_k"), find_quant("Q4_K"));
  EXPECT_EQ(find_quant("Q4_K_M"), nullptr);
  EXPECT_EQ(find_quant(9999u), nullptr);
}

// Largest root-mean-square error relative to the values' own, per format, for the distribution above.
TEST(Quants, RoundTripError) {
  const std::map<std::string, double> limit = {
      {"F32", 0},        {"F16", 3e-4},    {"BF16", 3e-3},     {"Q8_0", 0.007},  {"Q6_K", 0.021},  {"Q5_0", 0.055},
      {"Q5_1", 0.048},   {"Q5_K", 0.045},  {"Q4_0", 0.107},    {"Q4_1", 0.095},  {"Q4_K", 0.090},  {"IQ4_NL", 0.095},
      {"IQ4_XS", 0.095}, {"MXFP4", 0.135}, {"NVFP4", 0.083},   {"Q3_K", 0.175},  {"Q2_K", 0.330},  {"Q1_0", 0.670},
      {"Q2_0", 0.420},   {"TQ1_0", 0.530}, {"TQ2_0", 0.530},   {"IQ1_S", 0.505}, {"IQ1_M", 0.445}, {"IQ2_XXS", 0.365},
      {"IQ2_XS", 0.310}, {"IQ2_S", 0.275}, {"IQ3_XXS", 0.195}, {"IQ3_S", 0.150}};
  const auto x = random_values(1, 256 * 64);
  const double energy = squared_error(x, std::vector<float>(x.size(), 0.0f));
  for (const QuantFormat& f : quant_formats()) {
    if (f.quantise == nullptr) continue;
    const auto y = dequantised(f, quantised(f, x), x.size());
    const double relative = std::sqrt(squared_error(x, y) / energy);
    ASSERT_TRUE(limit.contains(f.name)) << f.name << " has no limit; it reaches " << relative;
    EXPECT_LE(relative, limit.at(f.name)) << f.name;
    RecordProperty(f.name, std::to_string(relative));
  }
}

// For one-scale formats every half-precision scale can be tried: the search must come close to the best. With 255 codes
// the error is so ragged in the scale that only trying them all finds the last tenth.
TEST(Quants, NearTheExhaustiveOptimum) {
  const auto x = random_values(2, 32 * 40);
  for (const auto& [name, lo, hi, slack] :
       {std::tuple("Q4_0", -8, 7, 1.02), std::tuple("Q5_0", -16, 15, 1.04), std::tuple("Q8_0", -127, 127, 1.2)}) {
    const QuantFormat& f = *find_quant(name);
    const double ours = squared_error(x, dequantised(f, quantised(f, x), x.size()));
    double best_sum = 0;
    for (size_t b = 0; b < x.size(); b += 32) {
      double best = INFINITY;
      for (uint32_t h = 0; h < 0x10000u; ++h) {
        const float d = f16_to_f32(static_cast<uint16_t>(h));
        if (!(std::fabs(d) > 1e-4f && std::fabs(d) < 0.1f)) continue;
        double e = 0;
        for (size_t i = 0; i < 32 && e < best; ++i) {
          const float q =
              std::fmin(std::fmax(std::nearbyint(x[b + i] / d), static_cast<float>(lo)), static_cast<float>(hi));
          e += std::pow(double{x[b + i]} - double{d} * double{q}, 2);
        }
        best = std::min(best, e);
      }
      best_sum += best;
    }
    EXPECT_LE(ours, best_sum * slack) << name;
    EXPECT_GE(ours, best_sum * 0.9999) << name;
  }
}

TEST(Quants, WeightsMatter) {
  const auto x = random_values(3, 256);
  std::vector<float> weights(256, 1.0f);
  for (size_t i = 0; i < 256; i += 7) weights[i] = 50.0f;
  for (const QuantFormat& f : quant_formats()) {
    if (f.family == QuantFamily::kFloat || f.quantise == nullptr) continue;
    const auto plain = dequantised(f, quantised(f, x), 256);
    const auto weighted = dequantised(f, quantised(f, x, weights.data()), 256);
    double with = 0;
    double without = 0;
    for (size_t i = 0; i < 256; ++i) {
      with += weights[i] * std::pow(x[i] - weighted[i], 2);
      without += weights[i] * std::pow(x[i] - plain[i], 2);
    }
    EXPECT_LE(with, without * (1 + 1e-6)) << f.name;
  }
}

// Zero, constant, tiny and huge blocks: finite results, never farther from x than zeros would be (but for the steps of
// half-precision scales near 0).
TEST(Quants, ExtremeBlocks) {
  for (const QuantFormat& f : quant_formats()) {
    if (f.family == QuantFamily::kFloat || f.quantise == nullptr) continue;
    for (const float scale : {0.0f, 1e-38f, 1e-30f, 1e-7f, 1e-4f, 1.0f, 1000.0f, 60000.0f, 1e30f, 3e38f}) {
      for (const int pattern : {0, 1, 2, 3}) {
        std::vector<float> x(256);
        for (size_t i = 0; i < 256; ++i) {
          const float wave = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 50.0f;
          x[i] = scale * (pattern == 0 ? 1.0f : pattern == 1 ? -1.0f : pattern == 2 ? wave : (i == 100 ? 1.0f : 0.0f));
        }
        const auto y = dequantised(f, quantised(f, x), 256);
        double worst = 0;
        for (size_t i = 0; i < 256; ++i) {
          ASSERT_TRUE(std::isfinite(y[i])) << f.name << " scale " << scale << " pattern " << pattern << " at " << i;
          worst = std::max(worst, std::fabs(double{y[i]} - x[i]));
        }
        EXPECT_LE(worst, double{scale} + 2.4e-7) << f.name << " scale " << scale << " pattern " << pattern;
        if (scale == 0.0f) {
          EXPECT_EQ(worst, 0) << f.name;
        }
        if (scale == 1.0f && pattern < 2 && std::string(f.name) != "MXFP4") {
          EXPECT_LE(worst, 0.01) << f.name;
        }
      }
    }
  }
}

// Values that a format holds exactly come back as they were.
TEST(Quants, Q8_0IsIdempotent) {
  const QuantFormat& f = *find_quant("Q8_0");
  const auto y = dequantised(f, quantised(f, random_values(4, 32 * 200)), 32 * 200);
  EXPECT_EQ(dequantised(f, quantised(f, y), y.size()), y);
}

}  // namespace
}  // namespace kedge::kernels
