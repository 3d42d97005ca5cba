// What this machine can do at best, measured: memory read bandwidth and multiply-add rate. For `kedge doctor`; no
// kernel depends on it.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/base/result.h"

namespace kedge {

// Bytes per second that n threads together read from a buffer of `bytes` (kCapacity when there is no memory), the
// median of `passes` passes. Choose it much larger than the caches.
class ReadProbe {
 public:
  static Result<ReadProbe> make(size_t bytes, int max_threads);
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

// Rates of one instruction set, n threads together; 0: it has no such instruction.
struct PeakRates {
  const char* isa;
  double f32_flops = 0;  // float multiply and add count as two
  double int8_ops = 0;   // 8-bit multiply and 32-bit add count as two
};

// Of every instruction set this machine has, best first; takes some tenths of a second.
Result<std::vector<PeakRates>> probe_peaks(int n_threads);

}  // namespace kedge
