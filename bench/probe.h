// What this machine can do at best, measured: memory read bandwidth and multiply-add rate. For `kedge doctor`; no
// kernel depends on it.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::bench {

// Bytes per second that n threads together read from a buffer of `bytes` (kCapacity when there is no memory), with
// prefetching, as a kernel that streams weights does; the best of `passes` passes, since whatever disturbs a pass makes
// it slower. Choose the buffer much larger than the caches.
enum class PageSize { kHuge, kSmall };  // transparent huge pages where the system grants them, or never
class ReadProbe {
 public:
  static Result<ReadProbe> make(size_t bytes, int max_threads, PageSize pages = PageSize::kHuge);
  ReadProbe(ReadProbe&&) noexcept;
  ReadProbe& operator=(ReadProbe&&) noexcept;
  ~ReadProbe();
  Result<double> bytes_per_second(int n_threads, int passes) const;
  size_t bytes() const;

 private:
  struct State;
  explicit ReadProbe(State* state) : state_(state) {}
  State* state_;
};

// Rates of one instruction set, n threads together; a multiply and an add count as two. 0: it has no such instruction.
struct PeakRates {
  const char* isa;
  double f32_flops = 0;
  double int8_ops = 0;    // sums in 32 bits
  double bf16_flops = 0;  // sums in float
};

// Of every instruction set this machine has, best first; takes some tenths of a second. "amx" stands by itself: its
// tiles are used beside AVX-512.
Result<std::vector<PeakRates>> probe_peaks(int n_threads);

}  // namespace kedge::bench
