// Attention: every SIMD table returns the bits of the scalar reference, reads and writes nothing beyond its buffers,
// and the reference is close to double precision over several chunks.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/base/aligned.h"
#include "kernels/isa.h"
#include "tests/kernels/guarded.h"
#include "tests/kernels/kv_shapes.h"

namespace kedge::kernels {
namespace {

const KernelTable& reference() { return *find_kernels("reference").value(); }

using Memory = std::unique_ptr<Guarded>;
Memory guarded(size_t bytes) { return std::make_unique<Guarded>(bytes); }
Memory guarded_floats(int n) { return guarded(static_cast<size_t>(n) * sizeof(float)); }

void fill(float* x, int n, uint32_t seed, float sd = 1.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> d(0.0f, sd);
  for (int i = 0; i < n; ++i) x[i] = d(rng);
}

// Tokens 0..n of one kv-head.
struct Cache {
  KvLayout layout;
  std::vector<Memory> memory;
  std::vector<const std::byte*> pages;

  Cache(const KernelTable& t, KvLayout l, int n_tokens) : layout(l) {
    std::vector<float> k(static_cast<size_t>(l.head_dim_k)), v(static_cast<size_t>(l.head_dim_v));
    for (int i = 0; i < n_tokens; ++i) {
      if (i % kPageTokens == 0) {
        memory.push_back(guarded(l.page_bytes()));
        pages.push_back(memory.back()->data());
      }
      fill(k.data(), l.head_dim_k, static_cast<uint32_t>(i));
      fill(v.data(), l.head_dim_v, static_cast<uint32_t>(i) + 5000);
      t.kv_store(l, memory.back()->data(), i % kPageTokens, k.data(), l.v_in_k ? nullptr : v.data());
    }
  }
};

// Rows with buffers of their own, each at the edge of its memory.
struct Rows {
  static constexpr float kUntouched = -7.0f;
  AttendRows a;
  int n_pages;
  std::vector<Memory> q, out;
  Memory token_mass;
  AlignedBytes scratch = AlignedBytes::make(kAttendScratchBytes, "scratch").value();

  Rows(const Cache& cache, int n, uint32_t seed) : n_pages(static_cast<int>(cache.pages.size())) {
    a.n = n;
    a.layout = cache.layout;
    a.pages = cache.pages.data();
    a.scale = 1.0f / std::sqrt(static_cast<float>(cache.layout.head_dim_k));
    a.scratch = scratch.data();
    for (int i = 0; i < n; ++i) {
      q.push_back(guarded_floats(cache.layout.head_dim_k));
      out.push_back(guarded_floats(cache.layout.head_dim_v));
      fill(q.back()->floats(), cache.layout.head_dim_k, seed + static_cast<uint32_t>(i), 2.0f);
      a.q[i] = q.back()->floats();
      a.out[i] = out.back()->floats();
    }
  }
  int n_slots() const { return n_pages * kPageTokens; }
  void want_token_mass() {
    token_mass = guarded_floats(a.n * n_slots());
    a.token_mass = token_mass->floats();
    a.token_mass_stride = static_cast<size_t>(n_slots());
  }
  // Sinks about as large as scores are, one of them larger than all; slopes for positions behind the last slot too.
  void want_sinks() {
    a.has_sinks = true;
    for (int i = 0; i < a.n; ++i) a.sink[i] = i % 7 == 3 ? 40.0f : 0.5f * static_cast<float>(i % 5) - 1.0f;
  }
  void want_slopes() {
    a.has_slopes = true;
    for (int i = 0; i < a.n; ++i) {
      a.slope[i] = 1.0f / static_cast<float>(2 << i % 9);
      a.at[i] = a.end[i] - 1 + i % 3;
    }
  }
  void forget() {
    if (a.token_mass != nullptr) std::fill_n(a.token_mass, a.n * n_slots(), kUntouched);
  }
  // out of every row, then the masses of tokens.
  std::vector<float> results() const {
    std::vector<float> r;
    for (int i = 0; i < a.n; ++i) r.insert(r.end(), a.out[i], a.out[i] + a.layout.head_dim_v);
    if (a.token_mass != nullptr) r.insert(r.end(), a.token_mass, a.token_mass + a.n * n_slots());
    return r;
  }
  std::vector<float> whole(const KernelTable& t) {
    forget();
    t.attend(a);
    return results();
  }
  // The same through the parts of each chunk, computed last to first.
  std::vector<float> by_chunks(const KernelTable& t) {
    forget();
    const int first = *std::min_element(a.begin, a.begin + a.n) / kChunkTokens;
    const int last = (*std::max_element(a.end, a.end + a.n) - 1) / kChunkTokens;
    const int floats = a.n * static_cast<int>(attend_part_floats(a.layout.head_dim_v));
    const Memory parts = guarded_floats(floats * (last - first + 1));
    for (int c = last; c >= first; --c) t.attend_chunk(a, c, parts->floats() + (c - first) * floats);
    t.attend_merge(a, parts->floats(), first);
    return results();
  }
};

void expect_same_bits(const std::vector<float>& want, const std::vector<float>& got, const std::string& what) {
  ASSERT_EQ(want.size(), got.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(0, std::memcmp(&want[i], &got[i], 4))
        << what << " element " << i << ": reference " << want[i] << ", got " << got[i];
  }
}

// Every table, in one call and by chunks, against the reference in one call.
void check(Rows& rows, const std::string& what) {
  const std::vector<float> want = rows.whole(reference());
  for (const float x : want) ASSERT_TRUE(std::isfinite(x)) << what;
  for (const KernelTable* t : usable_kernels()) {
    expect_same_bits(want, rows.whole(*t), what + " " + t->name);
    expect_same_bits(want, rows.by_chunks(*t), what + " by chunks " + t->name);
  }
}

enum class Window { kCausal, kAny, kSliding };

void set_windows(Rows& rows, int n_tokens, Window window, uint32_t seed) {
  std::mt19937 rng(seed);
  for (int i = 0; i < rows.a.n; ++i) {
    int& begin = rows.a.begin[i];
    int& end = rows.a.end[i];
    if (window == Window::kAny) {
      begin = static_cast<int>(rng() % static_cast<uint32_t>(n_tokens));
      end = begin + 1 + static_cast<int>(rng() % static_cast<uint32_t>(n_tokens - begin));
    } else {  // two heads per token, the last row sees the last token
      end = std::max(1, n_tokens - (rows.a.n - 1 - i) / 2);
      begin = window == Window::kSliding ? std::max(0, end - 70) : 0;
    }
  }
}

class AttendEquality : public testing::TestWithParam<KvLayout> {};

TEST_P(AttendEquality, Pages) {
  const KvLayout layout = GetParam();
  const Cache want(reference(), layout, 70);
  for (const KernelTable* t : usable_kernels()) {
    const Cache got(*t, layout, 70);
    for (size_t p = 0; p < want.pages.size(); ++p) {
      ASSERT_EQ(0, std::memcmp(want.pages[p], got.pages[p], layout.page_bytes())) << t->name << " page " << p;
    }
  }
}

TEST_P(AttendEquality, RowCountsWithinAChunk) {
  const KvLayout s = GetParam();
  constexpr int kTokens = 77;
  const Cache cache(reference(), s, kTokens);
  uint32_t seed = 1;
  for (int n = 1; n <= kMaxAttendRows; n += n < 18 ? 1 : 15) {
    for (const Window window : {Window::kCausal, Window::kAny}) {
      Rows rows(cache, n, ++seed);
      set_windows(rows, kTokens, window, seed);
      rows.a.softcap = n % 3 == 0 ? 5.0f : 0.0f;
      if (n % 4 < 2) rows.want_token_mass();
      if (n % 5 < 2) rows.want_sinks();
      if (n % 7 < 2) rows.want_slopes();
      check(rows, name_of(s) + " rows=" + std::to_string(n));
    }
  }
}

TEST_P(AttendEquality, SeveralChunks) {
  const KvLayout s = GetParam();
  constexpr int kTokens = 3 * kChunkTokens + 43;
  const Cache cache(reference(), s, kTokens);
  const int many = s.head_dim_k > 100 ? 11 : 23;
  for (const int n : {1, 2, many}) {
    for (const int tokens : {kTokens, 2 * kChunkTokens, 2 * kChunkTokens + 1}) {
      Rows rows(cache, n, static_cast<uint32_t>(n));
      set_windows(rows, tokens, n == many ? Window::kAny : Window::kCausal, static_cast<uint32_t>(tokens));
      if (tokens != 2 * kChunkTokens + 1) rows.want_token_mass();
      if (tokens == kTokens) rows.want_sinks();
      check(rows, name_of(s) + " rows=" + std::to_string(n) + " tokens=" + std::to_string(tokens));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttendEquality, testing::ValuesIn(kv_shapes()),
                         [](const auto& i) { return name_of(i.param); });

// Pages no row sees are unreadable here; those between two rows' windows too.
TEST(Attend, PagesOutsideTheWindowsAreNotTouched) {
  for (const KvFormat format : kKvFormats) {
    constexpr int kTokens = 1700;
    const Cache cache(reference(), {format, 64, 64}, kTokens);
    for (const int n : {2, 40}) {
      Rows rows(cache, n, 3);
      rows.a.softcap = 30.0f;
      rows.want_token_mass();
      set_windows(rows, kTokens, Window::kSliding, 0);
      rows.a.begin[0] = 40;
      rows.a.end[0] = 90;
      std::vector<const std::byte*> pages = cache.pages;
      for (int p = 0; p < rows.n_pages; ++p) {
        bool seen = false;
        for (int i = 0; i < n; ++i) {
          seen = seen || (rows.a.begin[i] < (p + 1) * kPageTokens && rows.a.end[i] > p * kPageTokens);
        }
        if (!seen) pages[static_cast<size_t>(p)] = nullptr;
      }
      EXPECT_GT(std::count(pages.begin(), pages.end(), nullptr), 40);
      rows.a.pages = pages.data();
      check(rows, "windows");
    }
  }
}

// A row's bits do not depend on the rows it shares a call with.
TEST(Attend, ARowAloneHasTheSameBits) {
  for (const KvFormat format : kKvFormats) {
    const Cache cache(reference(), {format, 64, 64}, 700);
    for (const KernelTable* t : usable_kernels()) {
      Rows rows(cache, 64, 17);
      set_windows(rows, 700, Window::kCausal, 0);
      const std::vector<float> all = rows.whole(*t);
      for (const int i : {0, 13, 37, 63}) {
        Rows one(cache, 1, 17 + static_cast<uint32_t>(i));
        one.a.begin[0] = rows.a.begin[i];
        one.a.end[0] = rows.a.end[i];
        expect_same_bits({all.begin() + i * 64, all.begin() + (i + 1) * 64}, one.whole(*t), t->name);
      }
    }
  }
}

// Every row's masses sum to 1; what a row does not see has no mass.
TEST(Attend, MassesAreShares) {
  constexpr int kTokens = 2 * kChunkTokens + 99;
  for (const KvFormat format : kKvFormats) {
    const Cache cache(reference(), {format, 64, 64}, kTokens);
    for (const KernelTable* t : usable_kernels()) {
      Rows rows(cache, 21, 5);
      set_windows(rows, kTokens, Window::kAny, 77);
      rows.want_token_mass();
      rows.whole(*t);
      for (int i = 0; i < rows.a.n; ++i) {
        double total = 0;
        for (int p = 0; p < rows.n_pages; ++p) {
          const float* tokens = rows.a.token_mass + i * rows.n_slots() + p * kPageTokens;
          if ((p + 1) * kPageTokens <= rows.a.begin[i] || p * kPageTokens >= rows.a.end[i]) {
            for (int s = 0; s < kPageTokens; ++s)
              ASSERT_EQ(Rows::kUntouched, tokens[s]) << "page " << p << " row " << i;
            continue;
          }
          for (int s = 0; s < kPageTokens; ++s) {
            const int slot = p * kPageTokens + s;
            if (slot < rows.a.begin[i] || slot >= rows.a.end[i]) {
              ASSERT_EQ(0.0f, tokens[s]) << slot << " row " << i;
            }
            total += static_cast<double>(tokens[s]);
          }
        }
        EXPECT_NEAR(1.0, total, 1e-5) << t->name << " row " << i;
      }
    }
  }
}

Eigen::VectorXd to_double(const float* v, int n) { return Eigen::Map<const Eigen::VectorXf>(v, n).cast<double>(); }

TEST(AttendOracle, LongContextsOfEveryCache) {
  constexpr int kD = 64;
  constexpr int kTokens = 4 * kChunkTokens + 77;
  constexpr int kBegin = 35;
  Eigen::MatrixXd keys(kTokens, kD), values(kTokens, kD);
  std::vector<float> x(kD);
  for (int t = 0; t < kTokens; ++t) {
    fill(x.data(), kD, static_cast<uint32_t>(t));
    keys.row(t) = to_double(x.data(), kD);
    fill(x.data(), kD, static_cast<uint32_t>(t) + 5000);
    values.row(t) = to_double(x.data(), kD);
  }
  for (const KvFormat format : kKvFormats) {
    const Cache cache(reference(), {format, kD, kD}, kTokens);
    if (format == KvFormat::kQ4_0) {  // four bits are coarse: the oracle gets what is stored, and the query's codes
      std::vector<float> v(kD);
      for (int t = 0; t < kTokens; ++t) {
        kv_load(cache.layout, cache.pages[static_cast<size_t>(t / kPageTokens)], t % kPageTokens, x.data(), v.data());
        keys.row(t) = to_double(x.data(), kD);
        values.row(t) = to_double(v.data(), kD);
      }
    }
    for (const float cap : {0.0f, 4.0f}) {
      for (const int end : {77, kChunkTokens, kTokens}) {
        Rows rows(cache, 1, 9);
        rows.a.begin[0] = kBegin;
        rows.a.end[0] = end;
        rows.a.softcap = cap;
        rows.want_token_mass();
        rows.whole(reference());
        std::vector<float> q(rows.a.q[0], rows.a.q[0] + kD);
        if (format == KvFormat::kQ4_0) {
          int8_t codes[kD];
          float d[kD / 32];
          int16_t sums[kD / 32];
          reference().quantise_block32(q.data(), kD, codes, d, sums);
          for (int i = 0; i < kD; ++i) q[static_cast<size_t>(i)] = static_cast<float>(codes[i]) * d[i / 32];
        }
        Eigen::VectorXd s = (keys * to_double(q.data(), kD) * static_cast<double>(rows.a.scale)).head(end);
        if (cap > 0) s = static_cast<double>(cap) * (s.array() / static_cast<double>(cap)).tanh();
        s.head(kBegin).setConstant(-1e30);
        s = (s.array() - s.maxCoeff()).exp();
        s /= s.sum();
        const Eigen::VectorXd want = values.topRows(end).transpose() * s;
        const double bound = format == KvFormat::kF16 ? 1e-3 : format == KvFormat::kQ8_0 ? 2e-2 : 2e-6;
        EXPECT_LT((to_double(rows.a.out[0], kD) - want).cwiseAbs().maxCoeff(), bound) << static_cast<int>(format);
        double total = 0;
        for (int t = kBegin; t < end; ++t) {
          EXPECT_NEAR(s[t], static_cast<double>(rows.a.token_mass[t]), bound) << t;
          total += static_cast<double>(rows.a.token_mass[t]);
        }
        EXPECT_NEAR(1.0, total, 1e-5);
      }
    }
  }
}

// What a latent is worth as a value, sinks and slopes, against double precision.
TEST(AttendOracle, LatentsSinksAndSlopes) {
  constexpr int kKey = 96;
  constexpr int kValue = 64;
  constexpr int kLast = 2 * kChunkTokens + 77;
  const Cache cache(reference(), {KvFormat::kF32, kKey, kValue, true}, kLast);
  Eigen::MatrixXd keys(kLast, kKey);
  std::vector<float> x(kKey);
  for (int t = 0; t < kLast; ++t) {
    fill(x.data(), kKey, static_cast<uint32_t>(t));
    keys.row(t) = to_double(x.data(), kKey);
  }
  for (const float sink : {-3.0f, 2.0f, 30.0f}) {
    for (const float slope : {0.0f, 0.01f}) {
      Rows rows(cache, 1, 9);
      rows.a.begin[0] = 3;
      rows.a.end[0] = kLast;
      rows.a.has_sinks = true;
      rows.a.sink[0] = sink;
      rows.a.has_slopes = slope > 0;
      rows.a.slope[0] = slope;
      rows.a.at[0] = 700;  // tokens after the row are as far away as those before it
      rows.want_token_mass();
      rows.whole(reference());
      Eigen::VectorXd s = keys * to_double(rows.a.q[0], kKey) * static_cast<double>(rows.a.scale);
      for (int t = 0; t < kLast; ++t) s[t] -= static_cast<double>(slope) * std::abs(t - 700);
      s.head(3).setConstant(-1e30);
      s = s.array().exp();
      s /= s.sum() + std::exp(static_cast<double>(sink));
      const Eigen::VectorXd want = keys.leftCols(kValue).transpose() * s;
      EXPECT_LT((to_double(rows.a.out[0], kValue) - want).cwiseAbs().maxCoeff(), 1e-5) << sink;
      for (int t = 3; t < kLast; ++t) ASSERT_NEAR(s[t], static_cast<double>(rows.a.token_mass[t]), 2e-6) << t;
      const std::vector<float> at_twice = rows.by_chunks(reference());
      EXPECT_EQ(at_twice, rows.whole(reference()));
    }
  }
}

}  // namespace
}  // namespace kedge::kernels
