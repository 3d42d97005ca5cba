// Work that several threads share.
#include "kernels/base/at_once.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <stdexcept>
#include <vector>

namespace kedge::base {
namespace {

TEST(AtOnce, EveryIndexOnce) {
  for (const size_t jobs : {size_t{0}, size_t{1}, size_t{3}, size_t{50}}) {
    std::vector<std::atomic<int>> calls(20);
    at_once(jobs, calls.size(), [&](size_t i) { ++calls[i]; });
    for (const auto& c : calls) EXPECT_EQ(c, 1);
  }
  at_once(4, 0, [](size_t) { FAIL() << "there is nothing to do"; });
}

TEST(AtOnce, SoManyThreadsAtOnce) {
  std::barrier together(4);
  at_once(4, 4, [&](size_t) { together.arrive_and_wait(); });  // fewer threads would wait for ever
}

TEST(AtOnce, TheFirstExceptionEndsIt) {
  std::atomic<int> begun{0};
  const auto work = [&](size_t i) {
    ++begun;
    if (i == 2) throw std::runtime_error("two");
  };
  EXPECT_THROW(at_once(1, 100, work), std::runtime_error);
  EXPECT_EQ(begun, 3) << "in order, and nothing behind it";
  EXPECT_THROW(at_once(4, 100, work), std::runtime_error);
}

}  // namespace
}  // namespace kedge::base
