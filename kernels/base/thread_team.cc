// The caller publishes a region and takes part in it; workers that are awake join. Units are claimed by compare and
// swap on words that carry the number of the region, so a worker that comes late finds nothing to claim, whatever has
// been published since: nobody waits for it.
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "kernels/base/cpus.h"
#include "kernels/base/parallel.h"

namespace kedge::base {

namespace {

constexpr size_t kLine = 64;
// How often a slab is cut: a thief finds something even late, and a piece is still some microseconds of work.
constexpr size_t kPieces = 8;
// Longer than the gaps between the regions of a step, shorter than what a sleeping thread takes to wake up.
constexpr std::chrono::microseconds kSpinTime{50};
constexpr int kSpinFirst = 16;  // looks before the clock is asked, and all looks of a team larger than its CPUs
constexpr size_t kMostUnits = size_t{1} << 31;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// True once `ready` holds, false when `spin_time` passed before.
template <class Ready>
bool spin_until(Ready&& ready, std::chrono::nanoseconds spin_time) {
  for (int i = 0; i < kSpinFirst; ++i) {
    if (ready()) return true;
    relax();
  }
  if (spin_time.count() == 0) return false;
  const auto end = std::chrono::steady_clock::now() + spin_time;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < kSpinFirst; ++i) {
      if (ready()) return true;
      relax();
    }
  }
  return ready();
}

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
void futex_wait(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void futex_wake(std::atomic<uint32_t>& word, int n) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, n, nullptr, nullptr, 0);
}

// Pieces of a slab that nobody has taken: the number of the region, the first piece left, one past the last.
// A word of an earlier region means that the slab is whole: nobody has to reset it.
struct alignas(kLine) Slab {
  std::atomic<uint64_t> word{0};

  bool claim(uint64_t region, size_t pieces, bool from_front, size_t* piece) {
    uint64_t old = word.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t tag = old >> 16;
      if (tag > region) return false;
      uint64_t first = tag == region ? (old >> 8) & 255 : 0;
      uint64_t last = tag == region ? old & 255 : pieces;
      if (first >= last) return false;
      *piece = from_front ? first++ : --last;
      if (word.compare_exchange_weak(old, region << 16 | first << 8 | last, std::memory_order_relaxed)) return true;
    }
  }
};
static_assert(kPieces < 256);

struct Region {
  uint64_t number = 0;
  size_t units = 0;  // of split: blocks of `grain`
  size_t n = 0;
  size_t grain = 0;
  RangeCall range_call = nullptr;  // one of the two is set
  UnitCall unit_call = nullptr;
  void* f = nullptr;
};

}  // namespace

struct ThreadTeam::State {
  // What workers watch. The low half of the region's number.
  alignas(kLine) std::atomic<uint32_t> signal{0};
  // The region. A sequence lock: `number` is written first, then the others with release; who read a member of a
  // later region sees a later number too.
  alignas(kLine) std::atomic<uint64_t> number{0};
  std::atomic<size_t> units{0};
  std::atomic<size_t> n{0};
  std::atomic<size_t> grain{0};
  std::atomic<RangeCall> range_call{nullptr};
  std::atomic<UnitCall> unit_call{nullptr};
  std::atomic<void*> f{nullptr};
  // Units nobody has reported as done.
  alignas(kLine) std::atomic<uint32_t> remaining{0};
  // each(): the low half of the region's number, the next unit.
  alignas(kLine) std::atomic<uint64_t> next{0};
  // Rarely written: threads that sleep or are about to.
  alignas(kLine) std::atomic<uint32_t> sleepers{0};
  std::atomic<uint32_t> caller_sleeps{0};
  std::atomic<bool> stop{false};
  int size = 1;
  int n_cpus = 1;
  std::chrono::nanoseconds spin_time{0};
  std::vector<Slab> slabs;
  std::vector<std::thread> workers;
  const pid_t process = getpid();

  ~State() {
    if (getpid() != process) {  // a child after fork(): the threads stayed with the parent, nobody could join them
      for (std::thread& t : workers) t.detach();
      return;
    }
    stop.store(true, std::memory_order_relaxed);
    signal.fetch_add(1);
    futex_wake(signal, INT_MAX);
    for (std::thread& t : workers) t.join();
  }

  void pin(const std::vector<int>& cpus) {
    for (size_t i = 0; i < workers.size(); ++i) {
      const auto cpu = static_cast<size_t>(cpus[i + 1]);
      cpu_set_t* set = CPU_ALLOC(cpu + 1);
      if (set == nullptr) return;
      const size_t bytes = CPU_ALLOC_SIZE(cpu + 1);
      CPU_ZERO_S(bytes, set);
      CPU_SET_S(cpu, bytes, set);
      pthread_setaffinity_np(workers[i].native_handle(), bytes, set);  // a refusal only means: not pinned
      CPU_FREE(set);
    }
  }

  size_t run_slabs(const Region& r, int thread) {
    const auto team = static_cast<size_t>(size);
    size_t done = 0;
    for (size_t i = 0; i < team; ++i) {
      const size_t owner = (static_cast<size_t>(thread) + i) % team;
      const size_t first = r.units * owner / team;
      const size_t count = r.units * (owner + 1) / team - first;
      const size_t pieces = std::min(count, kPieces);
      size_t piece = 0;
      while (pieces > 0 && slabs[owner].claim(r.number, pieces, i == 0, &piece)) {
        const size_t begin = first + count * piece / pieces;
        const size_t end = first + count * (piece + 1) / pieces;
        r.range_call(r.f, begin * r.grain, std::min(r.n, end * r.grain), thread);
        done += end - begin;
      }
    }
    return done;
  }

  size_t run_units(const Region& r, int thread) {
    const uint64_t tag = r.number << 32;
    size_t done = 0;
    uint64_t old = next.load(std::memory_order_relaxed);
    while ((old >> 32) == (tag >> 32) && (old & UINT32_MAX) < r.units) {
      if (!next.compare_exchange_weak(old, old + 1, std::memory_order_relaxed)) continue;
      r.unit_call(r.f, old & UINT32_MAX, thread);
      ++done;
      old = next.load(std::memory_order_relaxed);
    }
    return done;
  }

  // True when that was the last of the region.
  bool take_part(const Region& r, int thread) {
    const size_t done = r.range_call != nullptr ? run_slabs(r, thread) : run_units(r, thread);
    return done > 0 && remaining.fetch_sub(static_cast<uint32_t>(done)) == done;
  }

  // The region that `seen` announced, unless a later one is being written.
  bool read(uint32_t seen, Region* r) const {
    r->units = units.load(std::memory_order_acquire);
    r->n = n.load(std::memory_order_acquire);
    r->grain = grain.load(std::memory_order_acquire);
    r->range_call = range_call.load(std::memory_order_acquire);
    r->unit_call = unit_call.load(std::memory_order_acquire);
    r->f = f.load(std::memory_order_acquire);
    r->number = number.load(std::memory_order_relaxed);
    return static_cast<uint32_t>(r->number) == seen;
  }

  void work(int thread) {
    uint32_t seen = 0;
    for (;;) {
      const auto called = [&] { return signal.load(std::memory_order_acquire) != seen; };
      if (!spin_until(called, spin_time)) {
        // Announced before the last look, which the kernel takes: the caller sees the sleeper or we see its signal.
        sleepers.fetch_add(1);
        while (!called()) futex_wait(signal, seen);
        sleepers.fetch_sub(1);
      }
      seen = signal.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_relaxed)) return;
      Region r;
      if (!read(seen, &r)) continue;
      if (take_part(r, thread) && caller_sleeps.load() != 0) futex_wake(remaining, 1);
    }
  }

  void run(Region r) {
    r.number = number.load(std::memory_order_relaxed) + 1;
    number.store(r.number, std::memory_order_relaxed);
    units.store(r.units, std::memory_order_release);
    n.store(r.n, std::memory_order_release);
    grain.store(r.grain, std::memory_order_release);
    range_call.store(r.range_call, std::memory_order_release);
    unit_call.store(r.unit_call, std::memory_order_release);
    f.store(r.f, std::memory_order_release);
    remaining.store(static_cast<uint32_t>(r.units), std::memory_order_relaxed);
    next.store(r.number << 32, std::memory_order_relaxed);
    signal.store(static_cast<uint32_t>(r.number));
    // More threads than CPUs or units would only get into each other's way; the pieces do not need them.
    if (sleepers.load() > 0) {
      const size_t useful = std::min(r.units, static_cast<size_t>(std::max(n_cpus, 2))) - 1;
      futex_wake(signal, static_cast<int>(useful));
    }
    if (take_part(r, 0)) return;
    const auto over = [&] { return remaining.load(std::memory_order_acquire) == 0; };
    if (spin_until(over, spin_time)) return;
    caller_sleeps.store(1);
    for (uint32_t left = remaining.load(); left != 0; left = remaining.load()) futex_wait(remaining, left);
    caller_sleeps.store(0);
  }
};

ThreadTeam::ThreadTeam() = default;
ThreadTeam::ThreadTeam(ThreadTeam&&) noexcept = default;
ThreadTeam& ThreadTeam::operator=(ThreadTeam&&) noexcept = default;
ThreadTeam::~ThreadTeam() = default;

Result<ThreadTeam> ThreadTeam::make(int n_threads, const TeamOptions& options) {
  ThreadTeam team;
  if (n_threads <= 1) return team;
  const std::vector<int> cpus = allowed_cpus();
  const auto wanted = static_cast<size_t>(n_threads);
  try {
    team.state_ = std::make_unique<State>();
    State& s = *team.state_;
    s.n_cpus = options.n_cpus > 0 ? options.n_cpus : static_cast<int>(cpus.size());
    if (n_threads <= s.n_cpus) s.spin_time = kSpinTime;
    s.size = n_threads;
    s.slabs = std::vector<Slab>(wanted);
    s.workers.reserve(wanted - 1);
    for (int i = 1; i < n_threads; ++i) s.workers.emplace_back([&s, i] { s.work(i); });
    if (options.pin && cpus.size() >= wanted) s.pin(cpus);
  } catch (const std::exception& e) {  // std::system_error of a thread, or no memory
    const size_t started = team.state_ == nullptr ? 0 : team.state_->workers.size();
    return Error{ErrorCode::kCapacity, "cannot start " + std::to_string(n_threads) + " threads, only " +
                                           std::to_string(started + 1) + ": " + e.what()};
  }
  return team;
}

int ThreadTeam::size() const { return state_ == nullptr ? 1 : state_->size; }

void ThreadTeam::run_split(size_t n, size_t grain, RangeCall call, void* f) const {
  if (n == 0) return;
  size_t blocks = (n - 1) / grain + 1;
  if (state_ == nullptr || blocks == 1) return call(f, 0, n, 0);
  while (blocks > kMostUnits) {
    grain *= 2;
    blocks = (n - 1) / grain + 1;
  }
  state_->run({.units = blocks, .n = n, .grain = grain, .range_call = call, .f = f});
}

void ThreadTeam::run_each(size_t n, UnitCall call, void* f) const {
  if (state_ == nullptr || n <= 1 || n > kMostUnits) {
    for (size_t u = 0; u < n; ++u) call(f, u, 0);
    return;
  }
  state_->run({.units = n, .n = n, .grain = 1, .unit_call = call, .f = f});
}

}  // namespace kedge::base
