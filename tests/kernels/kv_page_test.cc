// Tokens that are moved between pages keep every bit, nothing else of a page changes, and what is read back is what
// the reference stored.
#include "kernels/kv_page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/base/float16.h"
#include "kernels/isa.h"
#include "tests/kernels/guarded.h"
#include "tests/kernels/kv_shapes.h"

namespace kedge::kernels {
namespace {

const KernelTable& reference() { return *find_kernels("reference").value(); }

size_t to_size(int x) { return static_cast<size_t>(x); }

std::vector<float> random_vector(int n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> x(to_size(n));
  for (float& v : x) v = normal(rng);
  return x;
}

std::vector<float> key_of(const KvLayout& l, uint32_t token) { return random_vector(l.head_dim_k, token); }
std::vector<float> value_of(const KvLayout& l, uint32_t token) { return random_vector(l.head_dim_v, token + 5000); }

void store_token(const KvLayout& l, std::byte* page, int slot, uint32_t token) {
  reference().kv_store(l, page, slot, key_of(l, token).data(), value_of(l, token).data());
}

void fill_page(const KvLayout& l, std::byte* page, uint32_t first_token) {
  for (int t = 0; t < kPageTokens; ++t) store_token(l, page, t, first_token + static_cast<uint32_t>(t));
}

// What the format leaves of x.
std::vector<float> rounded(KvFormat format, std::vector<float> x) {
  if (format == KvFormat::kF16) {
    for (float& v : x) v = f16_to_f32(f32_to_f16(v));
  } else if (format == KvFormat::kQ8_0) {
    std::vector<int8_t> q(x.size());
    std::vector<float> d(x.size() / 32);
    std::vector<int16_t> sums(x.size() / 32);
    reference().quantise_block32(x.data(), static_cast<int>(x.size()), q.data(), d.data(), sums.data());
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(q[i]) * f16_to_f32(f32_to_f16(d[i / 32]));
  } else if (format == KvFormat::kQ4_0) {
    for (size_t b = 0; b < x.size(); b += 32) {
      const float extreme =
          *std::max_element(&x[b], &x[b] + 32, [](float l, float r) { return std::fabs(l) < std::fabs(r); });
      const float d = extreme / -8.0f;
      for (size_t i = b; i < b + 32; ++i) {
        const float code = std::min(std::nearbyint(x[i] * (1.0f / d)), 7.0f);
        x[i] = code * f16_to_f32(f32_to_f16(d));
      }
    }
  }
  return x;
}

TEST(KvPage, SizesOfTheFormats) {
  EXPECT_EQ(32u * (64 + 96) * 4, (KvLayout{KvFormat::kF32, 64, 96}.page_bytes()));
  EXPECT_EQ(32u * (64 + 96) * 2, (KvLayout{KvFormat::kF16, 64, 96}.page_bytes()));
  EXPECT_EQ(32u * (64 + 96) / 32 * 34, (KvLayout{KvFormat::kQ8_0, 64, 96}.page_bytes()));
  EXPECT_EQ(32u * (64 + 96) / 32 * 18, (KvLayout{KvFormat::kQ4_0, 64, 96}.page_bytes()));
  EXPECT_EQ(32u * 64 / 2, (KvLayout{KvFormat::kQ4_0, 64, 96}.k_scales()));
  EXPECT_EQ(32u * 576 * 2, (KvLayout{KvFormat::kF16, 576, 512, true}.page_bytes()));  // a latent is held once
  EXPECT_TRUE((KvLayout{KvFormat::kF16, 576, 512, true}.fits()));
  EXPECT_FALSE((KvLayout{KvFormat::kF16, 512, 576, true}.fits()));
  EXPECT_FALSE((KvLayout{KvFormat::kQ8_0, 80, 64, true}.fits()));
}

// The rule of Q4_0 where it is easy to get wrong: a block of zeros, ties for the extreme, the clipped opposite end,
// halves, values too small and too large for the scale.
TEST(KvPage, FourBitCodesAtTheEdges) {
  const KvLayout l{KvFormat::kQ4_0, 32, 32};
  const auto loaded = [&](const KernelTable& t, const std::vector<float>& x) {
    const Guarded page(l.page_bytes());
    t.kv_store(l, page.data(), 7, x.data(), x.data());
    std::vector<float> k(32), v(32);
    kv_load(l, page.data(), 7, k.data(), v.data());
    EXPECT_EQ(k, v);
    return k;
  };
  const auto block = [](std::vector<float> first) {
    first.resize(32);
    return first;
  };
  for (const KernelTable* t : usable_kernels()) {
    EXPECT_EQ(block({}), loaded(*t, block({}))) << t->name;
    EXPECT_EQ(block({}), loaded(*t, block({-0.0f, 1e-31f, -1e-31f}))) << t->name;
    EXPECT_EQ(block({-8, 7, 7}), loaded(*t, block({-8, 8, 7}))) << t->name;
    EXPECT_EQ(block({-8, 7, 7}), loaded(*t, block({-8, 8, 7.49f}))) << t->name;
    EXPECT_EQ(block({7, -8}), loaded(*t, block({8, -8}))) << t->name;  // of a tie the negative one is exact
    EXPECT_EQ(block({8, -7, -7}), loaded(*t, block({8, -7.9f, -7}))) << t->name;
    EXPECT_EQ(block({-8, 2, 4, -2, 0}), loaded(*t, block({-8, 2.5f, 3.5f, -1.5f, 0.5f}))) << t->name;
    EXPECT_EQ(block({}), loaded(*t, block({1e-8f, 1e-9f}))) << t->name;  // the scale is zero in half precision
  }
}

class KvPages : public testing::TestWithParam<KvLayout> {};

TEST_P(KvPages, LoadGivesWhatWasStored) {
  const KvLayout l = GetParam();
  const Guarded page(l.page_bytes());
  fill_page(l, page.data(), 0);
  const Guarded k(to_size(l.head_dim_k) * sizeof(float));
  const Guarded v(to_size(l.head_dim_v) * sizeof(float));
  for (int t = 0; t < kPageTokens; ++t) {
    const std::vector<float> want_k = rounded(l.format, key_of(l, static_cast<uint32_t>(t)));
    std::vector<float> want_v(want_k.begin(), want_k.begin() + std::min(l.head_dim_k, l.head_dim_v));
    if (!l.v_in_k) want_v = rounded(l.format, value_of(l, static_cast<uint32_t>(t)));
    kv_load(l, page.data(), t, k.floats(), nullptr);
    kv_load(l, page.data(), t, nullptr, v.floats());
    EXPECT_EQ(want_k, std::vector<float>(k.floats(), k.floats() + l.head_dim_k)) << t;
    EXPECT_EQ(want_v, std::vector<float>(v.floats(), v.floats() + l.head_dim_v)) << t;
    std::vector<float> both_k(to_size(l.head_dim_k)), both_v(to_size(l.head_dim_v));
    kv_load(l, page.data(), t, both_k.data(), both_v.data());
    EXPECT_EQ(want_k, both_k) << t;
    EXPECT_EQ(want_v, both_v) << t;
  }
}

TEST_P(KvPages, CopiedSlotsAreWhatStoringThereGives) {
  const KvLayout l = GetParam();
  const Guarded from(l.page_bytes());
  fill_page(l, from.data(), 100);
  std::vector<std::vector<uint8_t>> choices(4);
  choices[0] = {31};
  choices[1].resize(kPageTokens);  // the whole page
  std::iota(choices[1].begin(), choices[1].end(), uint8_t{0});
  choices[2] = {1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 29, 31};  // long runs and short ones
  choices[3] = {30, 30, 4, 3, 5};                                                       // any order
  for (const auto& slots : choices) {
    const int n = static_cast<int>(slots.size());
    for (const int first : {0, 5, kPageTokens - n}) {
      if (first + n > kPageTokens) continue;
      const Guarded want(l.page_bytes());
      const Guarded got(l.page_bytes());
      fill_page(l, want.data(), 200);
      std::memcpy(got.data(), want.data(), l.page_bytes());
      for (int i = 0; i < n; ++i) store_token(l, want.data(), first + i, 100u + slots[to_size(i)]);
      kv_copy_slots(l, from.data(), slots.data(), got.data(), first, n);
      EXPECT_EQ(0, std::memcmp(want.data(), got.data(), l.page_bytes())) << n << " slots to " << first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, KvPages, testing::ValuesIn(kv_shapes()),
                         [](const auto& i) { return name_of(i.param); });

}  // namespace
}  // namespace kedge::kernels
