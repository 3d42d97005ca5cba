// The thread team. The only place that names OpenMP; everything else asks for a range to be covered.
#pragma once

#include <cstddef>
#include <type_traits>

namespace kedge {

// A fixed number of threads. Not thread-safe: one team belongs to one session at a time.
class ThreadTeam {
 public:
  // `n_threads` >= 1; larger than the machine is allowed (and slow).
  explicit ThreadTeam(int n_threads) : n_threads_(n_threads < 1 ? 1 : n_threads) {}
  int size() const { return n_threads_; }

  // Calls body(begin, end, thread) over disjoint pieces that cover [0, n) exactly once: one contiguous piece per
  // thread, cut at multiples of `grain`. What a unit computes must not depend on where the cuts fall.
  template <class F>
  void split(size_t n, size_t grain, F&& body) const {
    run_split(
        n, grain, [](void* f, size_t b, size_t e, int t) { (*static_cast<std::remove_reference_t<F>*>(f))(b, e, t); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }
  // Calls body(unit, thread) once for every unit in [0, n), handed out in ascending order as threads become free.
  template <class F>
  void each(size_t n, F&& body) const {
    run_each(
        n, [](void* f, size_t u, int t) { (*static_cast<std::remove_reference_t<F>*>(f))(u, t); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  void run_split(size_t n, size_t grain, void (*call)(void*, size_t, size_t, int), void* f) const;
  void run_each(size_t n, void (*call)(void*, size_t, int), void* f) const;
  int n_threads_;
};

}  // namespace kedge
