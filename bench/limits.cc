#include "bench/limits.h"

#include <cstring>
#include <string_view>
#include <vector>

#include "bench/probe.h"
#include "kernels/base/aligned.h"

namespace kedge::bench {

namespace {

constexpr size_t kStreamBytes = size_t{640} << 20;
constexpr size_t kBeyond = size_t{64} << 10;  // prefetching may look beyond the end
constexpr int kPasses = 5;

const PeakRates* peaks_of(std::string_view isa) {
  static const std::vector<PeakRates> peaks = probe_peaks(1).value();
  for (const PeakRates& p : peaks) {
    if (isa == p.isa) return &p;
  }
  return nullptr;
}

}  // namespace

std::span<std::byte> stream_memory() {
  static AlignedBytes memory = [] {
    auto bytes = AlignedBytes::make(kStreamBytes + kBeyond, "memory to stream from").value();
    std::memset(bytes.data(), 1, bytes.size());
    return bytes;
  }();
  return {memory.data(), kStreamBytes};
}

double read_bytes_per_second() {
  static const double rate = ReadProbe::make(size_t{1} << 30, 1).value().bytes_per_second(1, kPasses).value();
  return rate;
}

// The tables "avx512vnni", "avx512bf16" and "amx" share the unit of floats, the first two that of bytes.
double peak_int8(const std::string& table) {
  const PeakRates* p = peaks_of(table.starts_with("avx512") ? "avx512" : table);
  return p == nullptr ? 0 : p->int8_ops;
}
double peak_f32(const std::string& table) {
  const PeakRates* p = peaks_of(table.starts_with("avx512") || table == "amx" ? "avx512" : table);
  return p == nullptr ? 0 : p->f32_flops;
}

void count_bytes(benchmark::State& state, double bytes) {
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["%bandwidth"] = Counter(100 * bytes / read_bytes_per_second(), Counter::kIsIterationInvariantRate);
}

void count_operations(benchmark::State& state, double operations, double peak) {
  using benchmark::Counter;
  state.counters["GOP/s"] = Counter(operations * 1e-9, Counter::kIsIterationInvariantRate);
  if (peak > 0) state.counters["%peak"] = Counter(100 * operations / peak, Counter::kIsIterationInvariantRate);
}

}  // namespace kedge::bench
