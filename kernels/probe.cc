#include "kernels/probe.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/base/aligned.h"
#include "kernels/base/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace kedge {

namespace {

constexpr size_t kLine = 64;
constexpr size_t kPrefetchAhead = 1024;  // bytes
constexpr int kPeakTrips = 2'000'000;
constexpr int kChains = 10;  // independent sums: latency 4-5 times two units

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Keeps a value from being optimised away.
template <class T>
void use(const T& value) {
  asm volatile("" : : "m"(value) : "memory");
}

double middle(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

// Four independent sums, so that memory is the limit and not the additions.
uint64_t sum_words(const std::byte* p, size_t bytes) {
  uint64_t sums[4] = {};
  for (size_t i = 0; i + kLine <= bytes; i += kLine) {
    __builtin_prefetch(p + i + kPrefetchAhead);
    uint64_t words[8];
    std::memcpy(words, p + i, kLine);
    for (int j = 0; j < 8; ++j) sums[j % 4] += words[j];
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) uint64_t sum_words_avx2(const std::byte* p, size_t bytes) {
  __m256i a = _mm256_setzero_si256();
  __m256i b = a;
  __m256i c = a;
  __m256i d = a;
  for (size_t i = 0; i + 2 * kLine <= bytes; i += 2 * kLine) {
    const auto* v = reinterpret_cast<const __m256i*>(p + i);
    __builtin_prefetch(p + i + kPrefetchAhead);
    __builtin_prefetch(p + i + kPrefetchAhead + kLine);
    a = _mm256_add_epi64(a, _mm256_load_si256(v));
    b = _mm256_add_epi64(b, _mm256_load_si256(v + 1));
    c = _mm256_add_epi64(c, _mm256_load_si256(v + 2));
    d = _mm256_add_epi64(d, _mm256_load_si256(v + 3));
  }
  const __m256i sum = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
  return static_cast<uint64_t>(_mm256_extract_epi64(sum, 0) + _mm256_extract_epi64(sum, 1) +
                               _mm256_extract_epi64(sum, 2) + _mm256_extract_epi64(sum, 3));
}

__attribute__((target("avx2,fma"))) void f32_avx2(int trips) {
  __m256 acc[kChains];
  for (__m256& a : acc) a = _mm256_set1_ps(0.0f);
  const __m256 x = _mm256_set1_ps(0.999f);
  const __m256 y = _mm256_set1_ps(0.001f);
  for (int i = 0; i < trips; ++i) {
    for (__m256& a : acc) a = _mm256_fmadd_ps(a, x, y);
  }
  for (const __m256& a : acc) use(a);
}

// Without VNNI a product of bytes is three instructions; the pair sums that kernels use.
__attribute__((target("avx2"))) void int8_avx2(int trips) {
  __m256i acc[kChains];
  for (__m256i& a : acc) a = _mm256_setzero_si256();
  __m256i x = _mm256_set1_epi8(3);
  const __m256i y = _mm256_set1_epi8(1);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int i = 0; i < trips; ++i) {
    asm volatile("" : "+x"(x));  // or the products would leave the loop
    for (__m256i& a : acc) a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), ones));
  }
  for (const __m256i& a : acc) use(a);
}

__attribute__((target("avx512f"))) void f32_avx512(int trips) {
  __m512 acc[kChains];
  for (__m512& a : acc) a = _mm512_set1_ps(0.0f);
  const __m512 x = _mm512_set1_ps(0.999f);
  const __m512 y = _mm512_set1_ps(0.001f);
  for (int i = 0; i < trips; ++i) {
    for (__m512& a : acc) a = _mm512_fmadd_ps(a, x, y);
  }
  for (const __m512& a : acc) use(a);
}

__attribute__((target("avx512f,avx512vnni"))) void int8_avx512vnni(int trips) {
  __m512i acc[kChains];
  for (__m512i& a : acc) a = _mm512_setzero_si512();
  const __m512i x = _mm512_set1_epi32(0x03030303);
  const __m512i y = _mm512_set1_epi32(0x01010101);
  for (int i = 0; i < trips; ++i) {
    for (__m512i& a : acc) a = _mm512_dpbusd_epi32(a, x, y);
  }
  for (const __m512i& a : acc) use(a);
}

#elif defined(__aarch64__)

void f32_neon(int trips) {
  float32x4_t acc[kChains];
  for (float32x4_t& a : acc) a = vdupq_n_f32(0.0f);
  const float32x4_t x = vdupq_n_f32(0.999f);
  const float32x4_t y = vdupq_n_f32(0.001f);
  for (int i = 0; i < trips; ++i) {
    for (float32x4_t& a : acc) a = vfmaq_f32(y, a, x);
  }
  for (const float32x4_t& a : acc) use(a);
}

#endif

// Operations per second of `body` run by all threads at once; `per_trip` operations in a trip of one thread.
double rate(const ThreadTeam& team, double per_trip, void (*body)(int)) {
  const int n_threads = team.size();
  const auto run = [&] {
    const double start = now();
    team.split(static_cast<size_t>(n_threads), 1, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) body(kPeakTrips);
    });
    return now() - start;
  };
  run();  // wakes the threads and the wide units
  const double seconds = middle({run(), run(), run()});
  return per_trip * kPeakTrips * n_threads / seconds;
}

}  // namespace

struct ReadProbe::State {
  AlignedBytes memory;
};

Result<ReadProbe> ReadProbe::make(size_t bytes, int max_threads) {
  KEDGE_ASSIGN(memory, AlignedBytes::make(bytes / kLine * kLine + kPrefetchAhead, "bandwidth probe"));
  // Fresh pages are all the same page of zeros until they are written.
  parallel_for_static(max_threads, memory.size(), 1 << 20,
                      [&](size_t begin, size_t end, int) { std::memset(memory.data() + begin, 1, end - begin); });
  return ReadProbe(new State{std::move(memory)});
}

ReadProbe::ReadProbe(ReadProbe&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
ReadProbe& ReadProbe::operator=(ReadProbe&& o) noexcept {
  std::swap(state_, o.state_);
  return *this;
}
ReadProbe::~ReadProbe() { delete state_; }

size_t ReadProbe::bytes() const { return state_->memory.size() - kPrefetchAhead; }

Result<double> ReadProbe::bytes_per_second(int n_threads, int passes) const {
  KEDGE_ASSIGN(team, ThreadTeam::make(n_threads));
  auto* sum = &sum_words;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) sum = &sum_words_avx2;
#endif
  std::vector<double> rates;
  for (int pass = 0; pass < std::max(1, passes); ++pass) {
    const double start = now();
    team.split(bytes(), 2 * kLine,
               [&](size_t begin, size_t end, int) { use(sum(state_->memory.data() + begin, end - begin)); });
    rates.push_back(static_cast<double>(bytes()) / (now() - start));
  }
  return middle(std::move(rates));
}

Result<std::vector<PeakRates>> probe_peaks(int n_threads) {
  KEDGE_ASSIGN(team, ThreadTeam::make(n_threads));
  std::vector<PeakRates> peaks;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) {
    PeakRates p{"avx512", rate(team, 2.0 * 16 * kChains, f32_avx512), 0};
    if (__builtin_cpu_supports("avx512vnni")) p.int8_ops = rate(team, 2.0 * 64 * kChains, int8_avx512vnni);
    peaks.push_back(p);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    peaks.push_back({"avx2", rate(team, 2.0 * 8 * kChains, f32_avx2), rate(team, 2.0 * 32 * kChains, int8_avx2)});
  }
#elif defined(__aarch64__)
  peaks.push_back({"neon", rate(team, 2.0 * 4 * kChains, f32_neon), 0});
#endif
  return peaks;
}

}  // namespace kedge
