// One-off loops: a team that lives for one loop.
#include "kernels/base/parallel.h"

#include <algorithm>

#include "kernels/base/cpus.h"

namespace kedge {

namespace {

// Fewer threads than wanted only take longer.
ThreadTeam team_of(int n_threads, size_t units) {
  const size_t wanted = std::min<size_t>(units, static_cast<size_t>(max_parallel_threads(n_threads)));
  auto team = ThreadTeam::make(static_cast<int>(wanted));
  return team.ok() ? std::move(*team) : ThreadTeam();
}

}  // namespace

int max_parallel_threads(int n_threads) {
  return n_threads > 0 ? n_threads : std::max(1, static_cast<int>(allowed_cpus().size()));
}

void run_parallel_static(int n_threads, size_t n, size_t grain, RangeCall call, void* f) {
  const size_t blocks = (n + grain - 1) / grain;
  const auto team = team_of(n_threads, blocks);
  const auto pieces = static_cast<size_t>(team.size());
  // Exactly one piece per thread: memory is first touched by the thread that has the piece.
  team.each(pieces, [&](size_t t, int) {
    const size_t begin = std::min(n, blocks * t / pieces * grain);
    const size_t end = std::min(n, blocks * (t + 1) / pieces * grain);
    if (begin < end) call(f, begin, end, static_cast<int>(t));
  });
}

void run_parallel_dynamic(int n_threads, size_t n, UnitCall call, void* f) {
  team_of(n_threads, n).each(n, [&](size_t unit, int thread) { call(f, unit, thread); });
}

}  // namespace kedge
