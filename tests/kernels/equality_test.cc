// Every SIMD table returns the bits of the scalar reference: all formats, odd sizes, any number of tokens.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "kernels/base/aligned.h"
#include "kernels/isa.h"
#include "kernels/pack.h"
#include "tests/kernels/guarded.h"

namespace kedge::kernels {
namespace {

std::vector<const KernelTable*> simd_tables() {
  std::vector<const KernelTable*> r;
  for (const KernelTable* t : usable_kernels()) {
    if (std::string(t->name) != "reference") r.push_back(t);
  }
  return r;
}

const KernelTable& reference() { return *find_kernels("reference").value(); }

std::vector<float> normal(size_t n, uint32_t seed, float sd = 1.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> d(0.0f, sd);
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

// Activations of n rows in all the forms a format may want.
struct Acts {
  std::vector<float> x, d;
  std::vector<int8_t> q;
  std::vector<int16_t> s16, s32;
  std::vector<uint16_t> b16;
  ActRows rows;

  Acts(const KernelTable& t, QuantFamily family, int n, int k, uint32_t seed)
      : x(normal(static_cast<size_t>(n * k), seed)) {
    rows.n = n;
    rows.k = k;
    rows.x = x.data();
    const auto un = static_cast<size_t>(n);
    const auto uk = static_cast<size_t>(k);
    q.resize(un * uk);
    d.resize(un * uk / 32 + un);
    s16.resize(un * uk / 16 + un);
    s32.resize(un * uk / 32 + un);
    for (size_t i = 0; i < un; ++i) {
      const float* row = x.data() + i * uk;
      if (family == QuantFamily::kBlock32)
        t.quantise_block32(row, k, &q[i * uk], &d[i * (uk / 32)], &s32[i * (uk / 32)]);
      if (family == QuantFamily::kSuper256) {
        t.quantise_super256(row, k, &q[i * uk], &d[i * (uk / 256)], &s16[i * (uk / 16)], &s32[i * (uk / 32)]);
      }
    }
    rows.q = q.data();
    rows.d = d.data();
    rows.sums16 = s16.data();
    rows.sums32 = s32.data();
  }
  // For the products of `t`, whose order of values it is.
  void round_to_bf16(const KernelTable& t) {
    b16.resize(x.size());
    t.to_bf16(x.data(), b16.data(), static_cast<int>(x.size()));
    rows.b16 = b16.data();
  }
};

// A matrix in the layout a table reads.
struct Laid {
  std::vector<std::byte> bytes;
  WeightRows rows;
  Laid(const KernelTable& t, const QuantFormat& f, const std::vector<std::byte>& w, int n_rows, int k)
      : bytes(layout_bytes(t, f, n_rows, k)) {
    if (t.pack[f.index] == nullptr) {
      bytes = w;
    } else {
      pack_groups(t, f, w.data(), n_rows, k, 0, group_count(n_rows), bytes.data());
    }
    rows = {bytes.data(), layout_stride(t, f, k), n_rows};
  }
};

// Random bytes are valid blocks of every quantised format; half-precision scales are kept finite.
std::vector<std::byte> random_weights(const QuantFormat& f, int n_rows, int k, uint32_t seed) {
  const size_t bytes = f.row_bytes(static_cast<size_t>(k)) * static_cast<size_t>(n_rows);
  std::vector<std::byte> w(bytes);
  std::mt19937 rng(seed);
  if (f.family == QuantFamily::kFloat || f.quantise != nullptr) {
    auto x = normal(static_cast<size_t>(n_rows) * static_cast<size_t>(k), seed, 0.05f);
    f.quantise(x.data(), nullptr, w.data(), x.size());
    if (f.family == QuantFamily::kFloat) return w;
  }
  if (f.quantise == nullptr || seed % 2 == 1) {
    std::vector<float> values(static_cast<size_t>(f.block_values));
    for (size_t b = 0; b < bytes; b += static_cast<size_t>(f.block_bytes)) {
      bool finite = false;
      while (!finite) {
        for (size_t i = 0; i < static_cast<size_t>(f.block_bytes); ++i) w[b + i] = static_cast<std::byte>(rng() & 0xff);
        f.dequantise(&w[b], values.data(), values.size());
        finite = true;
        for (const float v : values) finite = finite && std::fabs(v) < 1e6f;
      }
    }
  }
  return w;
}

TEST(KernelEquality, PrintsTheInstructionSetsCovered) {
  std::string names;
  for (const KernelTable* t : usable_kernels()) names += std::string(" ") + t->name;
  std::cout << "[ ISAs     ] usable kernel tables on this machine:" << names << "\n";
  EXPECT_FALSE(usable_kernels().empty());
}

class MatmulEquality : public testing::TestWithParam<int> {};

TEST_P(MatmulEquality, AllSizesAndTokens) {
  const QuantFormat& f = quant_formats()[static_cast<size_t>(GetParam())];
  const std::vector<int> ks = f.family == QuantFamily::kFloat ? std::vector<int>{1, 7, 16, 33, 100, 256}
                              : f.block_values == 32          ? std::vector<int>{32, 96, 256}
                              : f.block_values < 256 ? std::vector<int>{f.block_values, 3 * f.block_values, 256}
                                                     : std::vector<int>{256, 768};
  auto scratch = AlignedBytes::make(matmul_scratch_bytes(1024), "scratch").value();
  for (const int k : ks) {
    for (const int n_rows : {1, 5, 8, 17, 32, 45}) {
      for (const uint32_t seed : {2u, 3u}) {
        const auto w = random_weights(f, n_rows, k, seed);
        const WeightRows rows{w.data(), f.row_bytes(static_cast<size_t>(k)), n_rows};
        for (const int n : {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 17, 33, 65, 97}) {
          const Acts acts(reference(), f.family, n, k, seed + 100);
          std::vector<float> want(static_cast<size_t>(n * n_rows));
          reference().matmul[f.index](rows, acts.rows, want.data(), static_cast<size_t>(n_rows), scratch.data());
          for (const KernelTable* t : simd_tables()) {
            std::vector<float> got(want.size(), -1.0f);
            const Laid laid(*t, f, w, n_rows, k);
            t->matmul[f.index](laid.rows, acts.rows, got.data(), static_cast<size_t>(n_rows), scratch.data());
            expect_same_bits(want, got,
                             std::string(t->name) + " " + f.name + " k=" + std::to_string(k) +
                                 " rows=" + std::to_string(n_rows) + " tokens=" + std::to_string(n));
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllFormats, MatmulEquality, testing::Range(0, static_cast<int>(quant_formats().size())),
                         [](const auto& i) { return std::string(quant_formats()[static_cast<size_t>(i.param)].name); });

// Nothing is read beyond weights and activations, nor written beyond the outputs, wherever they start.
TEST(KernelEquality, MatmulStaysWithinItsMemory) {
  for (const QuantFormat& f : quant_formats()) {
    const int k = f.family == QuantFamily::kFloat ? 208 : 512;
    const auto scratch_bytes = matmul_scratch_bytes(k);
    for (const int n_rows : {1, 7, 16, 37}) {
      const auto w = random_weights(f, n_rows, k, 2);
      for (const int n : {1, 2, 5, 6, 8, 9, 12, 16, 17, 29, 33, 97}) {
        const Acts acts(reference(), f.family, n, k, 9);
        std::vector<float> want(static_cast<size_t>(n * n_rows));
        AlignedBytes reference_scratch = AlignedBytes::make(scratch_bytes, "scratch").value();
        reference().matmul[f.index]({w.data(), f.row_bytes(static_cast<size_t>(k)), n_rows}, acts.rows, want.data(),
                                    static_cast<size_t>(n_rows), reference_scratch.data());
        for (const KernelTable* t : simd_tables()) {
          const Laid laid(*t, f, w, n_rows, k);
          const Guarded weights(laid.bytes.size());
          const Guarded q(acts.q.size()), x(acts.x.size() * 4), d(acts.d.size() * 4), s16(acts.s16.size() * 2),
              s32(acts.s32.size() * 2), y(want.size() * 4), scratch(scratch_bytes / 64 * 64);
          ActRows rows = acts.rows;
          rows.q = Guarded::copy(q, acts.q.data(), acts.q.size());
          rows.x = Guarded::copy(x, acts.x.data(), acts.x.size());
          rows.d = Guarded::copy(d, acts.d.data(), acts.d.size());
          rows.sums16 = Guarded::copy(s16, acts.s16.data(), acts.s16.size());
          rows.sums32 = Guarded::copy(s32, acts.s32.data(), acts.s32.size());
          const WeightRows guarded{Guarded::copy(weights, laid.bytes.data(), laid.bytes.size()), laid.rows.stride,
                                   n_rows};
          t->matmul[f.index](guarded, rows, y.floats(), static_cast<size_t>(n_rows), scratch.data());
          expect_same_bits(want, {y.floats(), y.floats() + want.size()},
                           std::string(t->name) + " " + f.name + " rows=" + std::to_string(n_rows) +
                               " tokens=" + std::to_string(n) + " at guard pages");
        }
      }
    }
  }
}

class FastEquality : public testing::TestWithParam<int> {};

TEST_P(FastEquality, AllSizesAndTokens) {
  const QuantFormat& f = quant_formats()[static_cast<size_t>(GetParam())];
  auto scratch = AlignedBytes::make(matmul_scratch_bytes(1024), "scratch").value();
  const QuantFamily family = f.family == QuantFamily::kFloat ? QuantFamily::kFloat : QuantFamily::kSuper256;
  for (const int k : {256, 768}) {
    for (const int n_rows : {1, 16, 45}) {
      for (const uint32_t seed : {2u, 3u}) {
        const auto w = random_weights(f, n_rows, k, seed);
        const WeightRows rows{w.data(), f.row_bytes(static_cast<size_t>(k)), n_rows};
        for (const int n : {1, 2, 3, 4, 6, 7, 11, 12, 13, 16, 17, 23, 33, 70, 530}) {
          if (n > 70 && (k > 256 || n_rows > 16)) continue;
          Acts acts(reference(), family, n, k, seed + 100);
          acts.round_to_bf16(reference());
          std::vector<float> want(static_cast<size_t>(n * n_rows));
          reference().fast[f.index](rows, acts.rows, want.data(), static_cast<size_t>(n_rows), scratch.data());
          for (const KernelTable* t : simd_tables()) {
            if (t->fast[f.index] == nullptr) continue;
            if (f.family == QuantFamily::kFloat) acts.round_to_bf16(*t);
            std::vector<float> got(want.size(), -1.0f);
            const Laid laid(*t, f, w, n_rows, k);
            t->fast[f.index](laid.rows, acts.rows, got.data(), static_cast<size_t>(n_rows), scratch.data());
            expect_same_bits(want, got,
                             std::string(t->name) + " fast " + f.name + " k=" + std::to_string(k) +
                                 " rows=" + std::to_string(n_rows) + " tokens=" + std::to_string(n));
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllFormats, FastEquality, testing::Range(0, static_cast<int>(quant_formats().size())),
                         [](const auto& i) { return std::string(quant_formats()[static_cast<size_t>(i.param)].name); });

// Products of bfloat16 around the smallest normal number, where results and operands turn into 0.
TEST(KernelEquality, FastFloatsOfTinyNumbers) {
  constexpr int kK = 512, kRows = 19, kTokens = 7;
  auto scratch = AlignedBytes::make(matmul_scratch_bytes(kK), "scratch").value();
  for (const QuantFormat& f : quant_formats()) {
    if (f.family != QuantFamily::kFloat) continue;
    int zeros = 0, others = 0;
    for (const float size : {1e-19f, 3e-20f, 1e-38f, 3e18f, 1e38f}) {
      const auto values = normal(kRows * kK, 5, size);
      std::vector<std::byte> w(f.row_bytes(kK) * kRows);
      f.quantise(values.data(), nullptr, w.data(), values.size());
      const WeightRows rows{w.data(), f.row_bytes(kK), kRows};
      Acts acts(reference(), f.family, kTokens, kK, 6);
      for (float& x : acts.x) x *= size;
      acts.round_to_bf16(reference());
      std::vector<float> want(kRows * kTokens);
      reference().fast[f.index](rows, acts.rows, want.data(), kRows, scratch.data());
      for (const float y : want) ++(y == 0.0f ? zeros : others);
      for (const KernelTable* t : simd_tables()) {
        if (t->fast[f.index] == nullptr) continue;
        acts.round_to_bf16(*t);
        std::vector<float> got(want.size(), -1.0f);
        t->fast[f.index](rows, acts.rows, got.data(), kRows, scratch.data());
        for (size_t i = 0; i < want.size(); ++i) {
          if (std::isnan(want[i]) && std::isnan(got[i])) got[i] = want[i];  // which NaN is the processor's choice
        }
        expect_same_bits(want, got, std::string(t->name) + " fast " + f.name + " size " + std::to_string(size));
      }
    }
    EXPECT_GT(zeros, 0) << f.name;
    EXPECT_GT(others, 0) << f.name;
  }
}

// As MatmulStaysWithinItsMemory.
TEST(KernelEquality, FastStaysWithinItsMemory) {
  constexpr int kK = 512;
  const auto scratch_bytes = matmul_scratch_bytes(kK);
  for (const QuantFormat& f : quant_formats()) {
    const bool floats = f.family == QuantFamily::kFloat;
    for (const int n_rows : {1, 16, 37}) {
      const auto w = random_weights(f, n_rows, kK, 2);
      for (const int n : {1, 3, 6, 13, 33}) {
        Acts acts(reference(), floats ? QuantFamily::kFloat : QuantFamily::kSuper256, n, kK, 9);
        acts.round_to_bf16(reference());
        std::vector<float> want(static_cast<size_t>(n * n_rows));
        AlignedBytes reference_scratch = AlignedBytes::make(scratch_bytes, "scratch").value();
        reference().fast[f.index]({w.data(), f.row_bytes(kK), n_rows}, acts.rows, want.data(),
                                  static_cast<size_t>(n_rows), reference_scratch.data());
        for (const KernelTable* t : simd_tables()) {
          if (t->fast[f.index] == nullptr) continue;
          if (floats) acts.round_to_bf16(*t);
          const Laid laid(*t, f, w, n_rows, kK);
          const Guarded weights(laid.bytes.size()), q(acts.q.size()), b16(acts.b16.size() * 2), d(acts.d.size() * 4),
              s16(acts.s16.size() * 2), s32(acts.s32.size() * 2), y(want.size() * 4), scratch(scratch_bytes / 64 * 64);
          ActRows rows = acts.rows;
          rows.q = Guarded::copy(q, acts.q.data(), acts.q.size());
          rows.b16 = Guarded::copy(b16, acts.b16.data(), acts.b16.size());
          rows.d = Guarded::copy(d, acts.d.data(), acts.d.size());
          rows.sums16 = Guarded::copy(s16, acts.s16.data(), acts.s16.size());
          rows.sums32 = Guarded::copy(s32, acts.s32.data(), acts.s32.size());
          const WeightRows guarded{Guarded::copy(weights, laid.bytes.data(), laid.bytes.size()), laid.rows.stride,
                                   n_rows};
          t->fast[f.index](guarded, rows, y.floats(), static_cast<size_t>(n_rows), scratch.data());
          expect_same_bits(want, {y.floats(), y.floats() + want.size()},
                           std::string(t->name) + " fast " + f.name + " rows=" + std::to_string(n_rows) +
                               " tokens=" + std::to_string(n) + " at guard pages");
        }
      }
    }
  }
}

// FNV-1a of what the formats' packed matrices below hold, so that machines that share no instruction set are compared
// too. A format that is not listed is compared on one machine only.
const std::map<std::string, uint64_t>& packed_hashes() {
  static const std::map<std::string, uint64_t> hashes = {
      {"IQ4_NL", 0x7daec0ae91272a5eu}, {"IQ4_XS", 0x60cfdfdf08ecee0au},  {"MXFP4", 0xaba81eafd468c277u},
      {"Q2_K", 0x729cf478084dd359u},   {"Q3_K", 0x05a9c8fdfbe4b896u},    {"Q4_0", 0x9c6aa476950c8f5au},
      {"Q4_1", 0x208ee765060ad0a5u},   {"Q4_K", 0x9f80ba2a2cdd470bu},    {"Q5_0", 0xf39606461bbafe4au},
      {"Q5_1", 0xa447379a25079d18u},   {"Q5_K", 0x29b138250e05b061u},    {"Q6_K", 0x89e4b9ea7d112453u},
      {"Q8_0", 0x6bef712daef0739fu},   {"IQ1_M", 0x07d5450252c64014u},   {"IQ1_S", 0x622384134cb97595u},
      {"IQ2_S", 0x154e441cf5a520ccu},  {"IQ2_XS", 0x7e1aed39fb2b199bu},  {"IQ2_XXS", 0x95f167e8854106feu},
      {"IQ3_S", 0xc15f96e0884da85au},  {"IQ3_XXS", 0x6e550f84a14357f1u}, {"NVFP4", 0x3e5560dac3bdc436u},
      {"Q1_0", 0x6ab4a7e528ef4b20u},   {"Q2_0", 0x99cbcc35e04349b2u},    {"TQ1_0", 0xf720920fa53c3fcfu},
      {"TQ2_0", 0xb63d32c5ff9c04bau},
  };
  return hashes;
}

uint64_t fnv1a(const std::vector<std::byte>& bytes) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const std::byte b : bytes) h = (h ^ static_cast<uint64_t>(b)) * 0x100000001b3u;
  return h;
}

// Every instruction set packs to the same bytes, and packing loses nothing: a product with unit vectors gives each
// value back (checked by AllSizesAndTokens through the products).
TEST(KernelEquality, PackedBytes) {
  for (const QuantFormat& f : quant_formats()) {
    const KernelTable* first = nullptr;
    std::vector<std::byte> want;
    const auto w = random_weights(f, 21, 512, 7);
    for (const KernelTable* t : simd_tables()) {
      EXPECT_EQ(t->pack[f.index] != nullptr, f.family != QuantFamily::kFloat) << t->name << " " << f.name;
      const Laid laid(*t, f, w, 21, 512);
      if (first == nullptr) {
        first = t;
        want = laid.bytes;
      }
      EXPECT_TRUE(want == laid.bytes) << f.name << ": " << t->name << " packs to other bytes than " << first->name;
    }
    const auto known = packed_hashes().find(f.name);
    if (known != packed_hashes().end() && !want.empty()) {
      EXPECT_EQ(known->second, fnv1a(want)) << f.name << " packs to other bytes than on other machines";
    }
  }
}

TEST(KernelEquality, FloatRows) {
  for (const KernelTable* t : simd_tables()) {
    for (int n = 1; n <= 70; ++n) {
      const auto un = static_cast<size_t>(n);
      const auto x = normal(un, static_cast<uint32_t>(n), 3.0f);
      const auto w = normal(un, static_cast<uint32_t>(n) + 1000);
      const std::string what = std::string(t->name) + " n=" + std::to_string(n);
      std::vector<float> a(un), b(un);
      reference().rms_norm(x.data(), w.data(), a.data(), n, 1e-5f);
      t->rms_norm(x.data(), w.data(), b.data(), n, 1e-5f);
      expect_same_bits(a, b, what + " rms_norm");
      reference().silu_mul(x.data(), w.data(), a.data(), n);
      t->silu_mul(x.data(), w.data(), b.data(), n);
      expect_same_bits(a, b, what + " silu_mul");
      a = b = x;
      reference().softmax(a.data(), n);
      t->softmax(b.data(), n);
      expect_same_bits(a, b, what + " softmax");
      a = b = w;
      reference().add(x.data(), a.data(), n);
      t->add(x.data(), b.data(), n);
      expect_same_bits(a, b, what + " add");
      reference().add_scaled(x.data(), 0.37f, a.data(), n);
      t->add_scaled(x.data(), 0.37f, b.data(), n);
      expect_same_bits(a, b, what + " add_scaled");
      if (n % 2 == 0) {
        const auto cs = normal(un, 77);
        a = b = x;
        reference().rope_half(a.data(), cs.data(), n / 2);
        t->rope_half(b.data(), cs.data(), n / 2);
        expect_same_bits(a, b, what + " rope_half");
        reference().rope_interleaved(a.data(), cs.data(), n / 2);
        t->rope_interleaved(b.data(), cs.data(), n / 2);
        expect_same_bits(a, b, what + " rope_interleaved");
      }
    }
  }
}

TEST(KernelEquality, SiluOverTheWholeRange) {
  std::vector<float> x;
  for (int i = -40000; i <= 40000; ++i) x.push_back(static_cast<float>(i) * 0.005f);
  for (const float v : {-1e30f, 1e30f, -0.0f, 0.0f, 1e-40f, -88.5f, 88.5f, 87.0f, -87.0f}) x.push_back(v);
  const std::vector<float> one(x.size(), 1.0f);
  std::vector<float> a(x.size()), b(x.size());
  const int n = static_cast<int>(x.size());
  reference().silu_mul(x.data(), one.data(), a.data(), n);
  for (const KernelTable* t : simd_tables()) {
    t->silu_mul(x.data(), one.data(), b.data(), n);
    expect_same_bits(a, b, t->name);
  }
}

TEST(KernelEquality, ActivationQuantisation) {
  for (const KernelTable* t : simd_tables()) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
      for (const QuantFamily family : {QuantFamily::kBlock32, QuantFamily::kSuper256}) {
        Acts a(reference(), family, 2, 512, seed);
        Acts b(*t, family, 2, 512, seed);
        EXPECT_EQ(a.q, b.q);
        expect_same_bits(a.d, b.d, t->name);
        EXPECT_EQ(a.s16, b.s16);
        EXPECT_EQ(a.s32, b.s32);
      }
    }
    std::vector<float> x(256, 0.0f);
    x[3] = 1e-38f;
    int8_t q[256];
    float d[8];
    int16_t s[16], s2[8];
    t->quantise_block32(x.data(), 256, q, d, s2);
    EXPECT_EQ(0, q[3]);
    EXPECT_EQ(0.0f, d[0]);
    t->quantise_super256(x.data(), 256, q, d, s, s2);
    EXPECT_EQ(0, q[3]);
  }
}

}  // namespace
}  // namespace kedge::kernels
