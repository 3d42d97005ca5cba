// The thread team and the one-off loops: every unit exactly once, whatever the scheduler does.
#include "kernels/base/parallel.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace kedge::base {
namespace {

// libgomp's own synchronisation is invisible to ThreadSanitizer.
#if defined(__SANITIZE_THREAD__)
constexpr bool kOpenMpTestable = false;
#else
constexpr bool kOpenMpTestable = true;
#endif

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Plain counters: two threads on one unit would be a data race too.
class Hits {
 public:
  explicit Hits(size_t n) : hits_(n) {}
  void range(size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) ++hits_[i];
  }
  void expect_each(int times, const std::string& what) const {
    for (size_t i = 0; i < hits_.size(); ++i) ASSERT_EQ(times, hits_[i]) << what << ", unit " << i;
  }

 private:
  std::vector<int> hits_;
};

TEST(ThreadTeam, CoversEveryUnitOnce) {
  for (int threads = 1; threads <= 9; ++threads) {
    const ThreadTeam team = ThreadTeam::make(threads).value();
    ASSERT_EQ(threads, team.size());
    for (const size_t n : {0, 1, 2, 5, 7, 8, 9, 63, 64, 65, 1001, 4096}) {
      for (const size_t grain : {1, 3, 8, 64, 5000}) {
        const std::string what =
            std::to_string(threads) + " threads, " + std::to_string(n) + " by " + std::to_string(grain);
        Hits hits(n);
        std::atomic<bool> cuts_right = true;
        team.split(n, grain, [&](size_t b, size_t e, int t) {
          if (b >= e || e > n || b % grain != 0 || (e % grain != 0 && e != n) || t < 0 || t >= threads) {
            cuts_right = false;
          }
          hits.range(b, e);
        });
        hits.expect_each(1, what);
        EXPECT_TRUE(cuts_right) << what;
        team.each(n, [&](size_t i, int) { hits.range(i, i + 1); });
        hits.expect_each(2, what);
      }
    }
  }
}

TEST(ThreadTeam, HandsUnitsOutInAscendingOrder) {
  const ThreadTeam team = ThreadTeam::make(3).value();
  std::vector<std::vector<size_t>> seen(3);
  team.each(500, [&](size_t u, int t) { seen[static_cast<size_t>(t)].push_back(u); });
  for (const auto& units : seen) EXPECT_TRUE(std::is_sorted(units.begin(), units.end()));
}

TEST(ThreadTeam, ThreadNumbersAreNeverUsedByTwoAtOnce) {
  const ThreadTeam team = ThreadTeam::make(5).value();
  std::vector<std::atomic<int>> inside(5);
  for (int round = 0; round < 200; ++round) {
    team.split(100, 1, [&](size_t, size_t, int t) {
      EXPECT_EQ(0, inside[static_cast<size_t>(t)]++);
      --inside[static_cast<size_t>(t)];
    });
  }
}

// What one region writes the next one reads, on whichever thread.
TEST(ThreadTeam, RegionsSeeEachOthersResults) {
  const ThreadTeam team = ThreadTeam::make(4).value();
  std::vector<uint64_t> a(257);
  std::vector<uint64_t> b(257);
  std::iota(a.begin(), a.end(), 0);
  for (int round = 0; round < 500; ++round) {
    team.split(a.size(), 1, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) b[i] = a[(i + 1) % a.size()];
    });
    team.each(a.size(), [&](size_t i, int) { a[i] = b[i]; });
  }
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ((i + 500) % a.size(), a[i]);
}

TEST(ThreadTeam, ManyThreadsAndTinyRegionsFinishSoon) {
  const ThreadTeam team = ThreadTeam::make(16).value();
  const double start = now();
  std::atomic<uint64_t> sum = 0;
  for (int round = 0; round < 4000; ++round) {
    team.split(32, 1, [&](size_t b, size_t e, int) { sum += e - b; });
    team.each(8, [&](size_t, int) { ++sum; });
  }
  EXPECT_EQ(4000u * 40u, sum);
  EXPECT_LT(now() - start, 20.0);  // some tenths of a second; minutes where waiting threads spin
}

// Gaps that are longer than the threads spin: all of them fall asleep and are woken.
TEST(ThreadTeam, WakesUpAfterPauses) {
  const ThreadTeam team = ThreadTeam::make(4).value();
  for (int round = 0; round < 30; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    Hits hits(40);
    team.each(40, [&](size_t i, int) {
      hits.range(i, i + 1);
      if (i == 39) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // puts a waiting caller to sleep
    });
    hits.expect_each(1, "each");
  }
}

TEST(ThreadTeam, OthersDoTheWorkOfOneThatIsHeldUp) {
  const ThreadTeam team = ThreadTeam::make(2).value();
  std::atomic<int> others = 0;
  team.split(64, 1, [&](size_t b, size_t e, int) {
    if (b == 0) {  // the first piece of 8: the rest of the slab has to go elsewhere
      const double start = now();
      while (others < 60 && now() - start < 10) std::this_thread::yield();
    } else {
      others += static_cast<int>(e - b);
    }
  });
  EXPECT_EQ(60, others);
}

TEST(ThreadTeam, TeamsDoNotDisturbEachOther) {
  std::vector<std::thread> callers;
  std::atomic<int> right = 0;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      ThreadTeam team = ThreadTeam::make(3).value();
      ThreadTeam moved = std::move(team);
      bool good = true;
      for (size_t round = 0; round < 300; ++round) {
        std::vector<int> hits(round);
        moved.split(round, 2, [&](size_t b, size_t e, int) {
          for (size_t i = b; i < e; ++i) ++hits[i];
        });
        for (const int h : hits) good = good && h == 1;
      }
      right += good ? 1 : 0;
    });
  }
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(4, right);
}

TEST(ThreadTeam, ManyTeamsComeAndGo) {
  for (int round = 0; round < 100; ++round) {
    ThreadTeam team = ThreadTeam::make(1 + round % 5, {.n_cpus = 64, .pin = round % 2 == 0}).value();
    if (round % 3 == 0) team = ThreadTeam();
    std::atomic<size_t> sum = 0;
    team.split(10, 1, [&](size_t b, size_t e, int) { sum += e - b; });
    EXPECT_EQ(10u, sum);
  }
}

// In a child process, whose limit concerns nobody else. The limit does not bind the superuser, so the child uses up its
// address space instead: a thread without a stack is refused in the same way.
TEST(ThreadTeam, RefusedThreadsAreAnError) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizers need more address space than there would be";
#endif
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{size_t{400} << 20, size_t{400} << 20};
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(2);
    const auto team = ThreadTeam::make(1000);
    const bool told = !team.ok() && team.error().code == ErrorCode::kCapacity &&
                      team.error().message.find("1000 threads") != std::string::npos;
    _exit(team.ok() ? 3 : told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 3) GTEST_SKIP() << "the limit does not bind here (qemu-user)";
  EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST(ParallelFor, CoversEveryUnitOnce) {
  if (!kOpenMpTestable) GTEST_SKIP();
  for (const int threads : {0, 1, 2, 3, 7}) {
    for (const size_t n : {0, 1, 5, 64, 1001}) {
      Hits hits(n);
      std::atomic<bool> right = true;
      parallel_for_static(threads, n, 8, [&](size_t b, size_t e, int t) {
        if (b % 8 != 0 || t < 0 || t >= max_parallel_threads(threads)) right = false;
        hits.range(b, e);
      });
      parallel_for_dynamic(threads, n, [&](size_t i, int t) {
        if (t < 0 || t >= max_parallel_threads(threads)) right = false;
        hits.range(i, i + 1);
      });
      hits.expect_each(2, std::to_string(threads) + " threads, " + std::to_string(n));
      EXPECT_TRUE(right);
    }
  }
}

}  // namespace
}  // namespace kedge::base
