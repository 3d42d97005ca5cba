#include "bench/probe.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/base/aligned.h"
#include "kernels/base/parallel.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace kedge::bench {

namespace {

constexpr size_t kLine = 64;
constexpr size_t kPrefetchAhead = 1024;  // bytes
constexpr size_t kProbeGrain = size_t{1} << 20;
constexpr int kPeakTrips = 2'000'000;
constexpr int kChains = 10;      // independent sums: latency 4-5 times two units
constexpr int kWideChains = 16;  // where there are 32 registers

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Keeps a value from being optimised away.
template <class T>
void use(const T& value) {
  asm volatile("" : : "m"(value) : "memory");
}

// Four independent sums, so that memory is the limit and not the additions.
void read_words(const std::byte* p, size_t bytes) {
  uint64_t sums[4] = {};
  for (size_t i = 0; i + kLine <= bytes; i += kLine) {
    __builtin_prefetch(p + i + kPrefetchAhead);
    uint64_t words[8];
    std::memcpy(words, p + i, kLine);
    for (int j = 0; j < 8; ++j) sums[j % 4] += words[j];
  }
  use(sums);
}

#if defined(__x86_64__)

// Two streams a thread keep more lines on their way than one.
template <class Vector>
[[gnu::always_inline]] inline void read_streams(const std::byte* p, size_t bytes, Vector* sums) {
  constexpr size_t kStep = 4 * kLine;
  constexpr size_t kEach = kStep / sizeof(Vector) / 4;  // vectors of a line
  const size_t half = bytes / (2 * kStep) * kStep;
  for (size_t i = 0; i < half; i += kStep) {
    for (const std::byte* stream : {p + i, p + half + i}) {
      for (size_t line = 0; line < kStep; line += kLine) __builtin_prefetch(stream + kPrefetchAhead + line);
      const auto* v = reinterpret_cast<const Vector*>(stream);
      for (size_t j = 0; j < 4 * kEach; ++j) sums[j % 4] += v[j];
    }
  }
}

// GCC's own vectors: the widths of AVX2 and AVX-512.
typedef uint64_t Words4 __attribute__((vector_size(32), may_alias));
typedef uint64_t Words8 __attribute__((vector_size(64), may_alias));

__attribute__((target("avx2"))) void read_avx2(const std::byte* p, size_t bytes) {
  Words4 sums[4] = {};
  read_streams(p, bytes, sums);
  for (const Words4& s : sums) use(s);
}

__attribute__((target("avx512f"))) void read_avx512(const std::byte* p, size_t bytes) {
  Words8 sums[4] = {};
  read_streams(p, bytes, sums);
  for (const Words8& s : sums) use(s);
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
  __m512 acc[kWideChains];
  for (__m512& a : acc) a = _mm512_set1_ps(0.0f);
  const __m512 x = _mm512_set1_ps(0.999f);
  const __m512 y = _mm512_set1_ps(0.001f);
  for (int i = 0; i < trips; ++i) {
    for (__m512& a : acc) a = _mm512_fmadd_ps(a, x, y);
  }
  for (const __m512& a : acc) use(a);
}

__attribute__((target("avx512f,avx512vnni"))) void int8_avx512vnni(int trips) {
  __m512i acc[kWideChains];
  for (__m512i& a : acc) a = _mm512_setzero_si512();
  const __m512i x = _mm512_set1_epi32(0x03030303);
  const __m512i y = _mm512_set1_epi32(0x01010101);
  for (int i = 0; i < trips; ++i) {
    for (__m512i& a : acc) a = _mm512_dpbusd_epi32(a, x, y);
  }
  for (const __m512i& a : acc) use(a);
}

// Tiles: 16 rows of 64 bytes each. The kernel must be asked for them once per process.
constexpr double kAmxMacs = 16 * 16 * 64;  // of 8-bit numbers, by one instruction

bool amx_ready(unsigned feature_bit) {
  constexpr long kRequestPermission = 0x1023;
  constexpr long kTileData = 18;
  constexpr unsigned kAmxTile = 1u << 24;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAmxTile) == 0 || (d & feature_bit) == 0) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// Assembly: the intrinsics want the instruction set enabled, and GCC 12's _tile_loadconfig claims to read 8 bytes.
void amx_begin() {
  const TileConfig config;
  asm volatile("ldtilecfg %0" : : "m"(config));
  asm volatile(
      "tilezero %%tmm0\n tilezero %%tmm1\n tilezero %%tmm2\n tilezero %%tmm3\n"
      "tilezero %%tmm4\n tilezero %%tmm5\n tilezero %%tmm6\n tilezero %%tmm7" ::);
}

// Four tiles of sums and two of either factor, as a matrix product uses them; four instructions are four trips.
void int8_amx(int trips) {
  amx_begin();
  for (int i = 0; i < trips; i += 4) {
    asm volatile(
        "tdpbssd %%tmm6, %%tmm4, %%tmm0\n tdpbssd %%tmm7, %%tmm4, %%tmm1\n"
        "tdpbssd %%tmm6, %%tmm5, %%tmm2\n tdpbssd %%tmm7, %%tmm5, %%tmm3" ::);
  }
  asm volatile("tilerelease" ::);
}

void bf16_amx(int trips) {
  amx_begin();
  for (int i = 0; i < trips; i += 4) {
    asm volatile(
        "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n"
        "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n tdpbf16ps %%tmm7, %%tmm5, %%tmm3" ::);
  }
  asm volatile("tilerelease" ::);
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
  const double seconds = std::min({run(), run(), run(), run(), run()});
  return per_trip * kPeakTrips * n_threads / seconds;
}

}  // namespace

struct ReadProbe::State {
  AlignedBytes memory;
};

Result<ReadProbe> ReadProbe::make(size_t bytes, int max_threads, PageSize pages) {
  KEDGE_ASSIGN(memory, AlignedBytes::make(bytes / kLine * kLine + kPrefetchAhead, "bandwidth probe"));
  if (pages == PageSize::kSmall) madvise(memory.data(), memory.size(), MADV_NOHUGEPAGE);  // large blocks are mapped
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
  auto* read = &read_words;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) read = &read_avx2;
  if (__builtin_cpu_supports("avx512f")) read = &read_avx512;
#endif
  double best = 0;
  for (int pass = 0; pass < std::max(1, passes); ++pass) {
    const double start = now();
    team.split(bytes(), kProbeGrain,
               [&](size_t begin, size_t end, int) { read(state_->memory.data() + begin, end - begin); });
    best = std::max(best, static_cast<double>(bytes()) / (now() - start));
  }
  return best;
}

Result<std::vector<PeakRates>> probe_peaks(int n_threads) {
  KEDGE_ASSIGN(team, ThreadTeam::make(n_threads));
  std::vector<PeakRates> peaks;
#if defined(__x86_64__)
  __builtin_cpu_init();
  constexpr unsigned kAmxBf16 = 1u << 22;
  constexpr unsigned kAmxInt8 = 1u << 25;
  if (amx_ready(kAmxInt8)) {
    PeakRates p{"amx"};
    p.int8_ops = rate(team, 2.0 * kAmxMacs, int8_amx);
    if (amx_ready(kAmxBf16)) p.bf16_flops = rate(team, 2.0 * kAmxMacs / 2, bf16_amx);
    peaks.push_back(p);
  }
  if (__builtin_cpu_supports("avx512f")) {
    PeakRates p{"avx512", rate(team, 2.0 * 16 * kWideChains, f32_avx512), 0};
    if (__builtin_cpu_supports("avx512vnni")) p.int8_ops = rate(team, 2.0 * 64 * kWideChains, int8_avx512vnni);
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

}  // namespace kedge::bench
