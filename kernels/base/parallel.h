// Work over several threads: teams of one's own for the many small regions of a step and for loading, and one-off loops
// on OpenMP for bulk work of commands (quantising a file, measuring the machine). Neither changes a result: what a unit
// computes must not depend on which thread runs it, when, or where the cuts fall. Bodies do not throw, and do not use
// the team they run on.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include "kernels/base/result.h"

namespace kedge::base {

using RangeCall = void (*)(void* body, size_t begin, size_t end, int thread);
using UnitCall = void (*)(void* body, size_t unit, int thread);

struct TeamOptions {
  int n_cpus = 0;    // CPUs the team can count on, a quota included; 0: those of the affinity mask
  bool pin = false;  // every worker on a CPU of its own, where the mask has enough of them
};

// A fixed number of threads that live as long as the team: the caller is number 0, the others wait for work, at first
// spinning and then asleep. A region is over when its units are done, not when every thread has shown up: a thread
// that the scheduler has stopped holds up nobody unless it is in the middle of a unit.
// Not thread-safe: one caller at a time. Move-only; the destructor ends the threads. In a child after fork() there are
// no others, and the caller does all of the work.
class ThreadTeam {
 public:
  ThreadTeam();  // the caller alone
  // `n_threads` >= 1; more than there are CPUs is allowed (and of no use). Error: the system gives no more threads.
  static Result<ThreadTeam> make(int n_threads, const TeamOptions& options = {});
  ThreadTeam(ThreadTeam&&) noexcept;
  ThreadTeam& operator=(ThreadTeam&&) noexcept;
  ~ThreadTeam();

  int size() const;

  // Calls body(begin, end, thread) over disjoint pieces that cover [0, n) exactly once, cut at multiples of `grain`.
  // Every thread has a contiguous slab, taken in a few pieces in ascending order; who is done takes pieces from the
  // ends of the others' slabs. So a body may be called several times for a thread.
  template <class F>
  void split(size_t n, size_t grain, F&& body) const {
    run_split(n, grain, &call_range<std::remove_reference_t<F>>, address_of(body));
  }
  // Calls body(unit, thread) once for every unit in [0, n), handed out in ascending order as threads become free.
  template <class F>
  void each(size_t n, F&& body) const {
    run_each(n, &call_unit<std::remove_reference_t<F>>, address_of(body));
  }

  template <class F>
  static void call_range(void* f, size_t begin, size_t end, int thread) {
    (*static_cast<F*>(f))(begin, end, thread);
  }
  template <class F>
  static void call_unit(void* f, size_t unit, int thread) {
    (*static_cast<F*>(f))(unit, thread);
  }
  template <class F>
  static void* address_of(F& body) {
    return const_cast<void*>(static_cast<const void*>(std::addressof(body)));
  }

 private:
  struct State;
  void run_split(size_t n, size_t grain, RangeCall call, void* f) const;
  void run_each(size_t n, UnitCall call, void* f) const;
  std::unique_ptr<State> state_;  // null: the caller alone
};

// The same on OpenMP, for work that is done once: quantising a file, measuring the machine. Not for loading: OpenMP's
// threads do not survive fork(), and a child that waits for them hangs. n_threads 0: as many as OpenMP takes by itself;
// `thread` is below max_parallel_threads(n_threads).
void run_parallel_static(int n_threads, size_t n, size_t grain, RangeCall call, void* f);
void run_parallel_dynamic(int n_threads, size_t n, UnitCall call, void* f);
int max_parallel_threads(int n_threads);

// body(begin, end, thread): one piece per thread, cut at multiples of `grain`.
template <class F>
void parallel_for_static(int n_threads, size_t n, size_t grain, F&& body) {
  run_parallel_static(n_threads, n, grain, &ThreadTeam::call_range<std::remove_reference_t<F>>,
                      ThreadTeam::address_of(body));
}
// body(unit, thread): units go to threads as these become free.
template <class F>
void parallel_for_dynamic(int n_threads, size_t n, F&& body) {
  run_parallel_dynamic(n_threads, n, &ThreadTeam::call_unit<std::remove_reference_t<F>>, ThreadTeam::address_of(body));
}

}  // namespace kedge::base
