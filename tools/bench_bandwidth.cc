#include "tools/bench_bandwidth.h"

#include <algorithm>

#include "bench/probe.h"

namespace kedge::tools {

namespace {

constexpr size_t kProbeBytes = size_t{2} << 30;
constexpr int kPasses = 3;

}  // namespace

size_t probe_bytes(const Json& info) {
  const Json& memory = info.at("memory");
  const auto available = std::min(memory.at("available_bytes").get<size_t>(), memory.at("usable_bytes").get<size_t>());
  return available == 0 ? kProbeBytes / 8 : std::min(kProbeBytes, available / 4);
}

double read_bandwidth(const Json& info) {
  const int threads = info.at("default_threads").get<int>();
  const bench::ReadProbe probe = need(bench::ReadProbe::make(probe_bytes(info) / 2, threads));
  return need(probe.bytes_per_second(threads, kPasses));
}

}  // namespace kedge::tools
