// exp, log, cosine and sine of the project: close to the C library, and the same bits wherever this runs.
#include "kernels/base/ordered_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace kedge::base {
namespace {

uint64_t mix(uint64_t hash, double x) { return (hash ^ std::bit_cast<uint64_t>(x)) * 0x100000001b3U; }

TEST(OrderedMath, ExpAndLogAgreeWithTheLibrary) {
  for (double x = -40; x <= 40; x += 0.0173) EXPECT_NEAR(ordered_exp(x) / std::exp(x), 1, 5e-16) << x;
  EXPECT_EQ(1, ordered_exp(0));
  for (double x = 1e-9; x < 1e9; x *= 1.0037) {
    EXPECT_NEAR(ordered_log(x), std::log(x), 2.3e-16 * std::max(1.0, std::abs(std::log(x)))) << x;
  }
  EXPECT_EQ(0, ordered_log(1));
  EXPECT_EQ(std::log(2.0), ordered_log(2));
}

TEST(OrderedMath, CosineAndSineAgreeWithTheLibrary) {
  for (double x = 1e-8; x < 2147483647.0; x *= 1.00091) {
    for (const double angle : {x, -x, std::round(x)}) {
      const CosSin turn = ordered_cos_sin(angle);
      EXPECT_NEAR(turn.cos, std::cos(angle), 2.3e-16) << angle;
      EXPECT_NEAR(turn.sin, std::sin(angle), 2.3e-16) << angle;
    }
  }
  EXPECT_EQ(1, ordered_cos_sin(0).cos);
  EXPECT_EQ(0, ordered_cos_sin(0).sin);
}

// A machine, compiler or library that computes them otherwise is found here, not in somebody's logits.
TEST(OrderedMath, HasTheseBitsEverywhere) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (int i = 1; i < 4000; ++i) {
    const double x = i * 0.37109375;
    hash = mix(hash, ordered_exp(x / 100));
    hash = mix(hash, ordered_log(x));
    const CosSin turn = ordered_cos_sin(x * 1024);
    hash = mix(mix(hash, turn.cos), turn.sin);
  }
  EXPECT_EQ(247654802002594779U, hash);
}

}  // namespace
}  // namespace kedge::base
