// Recalls that lack pages and are asked for again.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

// A recall of several references that lacks pages anywhere, asked for until it succeeds: the bits and the counts of one
// that never did.
TEST(RecallAgain, CountsTheWholeAndHasTheBitsOfOneThatNeverWaited) {
  const KvShape shape = tiny_shape(1000, 1, 1);
  KvOptions options;
  options.budget = 132;
  options.cold = KvOptions::Cold::kRam;
  options.anchor_cap = 0;
  options.anchor_margin = 0;
  options.anchor_detect = false;
  std::vector<Segment> segments;
  std::string all;
  for (int i = 0; i < 8; ++i) {
    const std::string id = "kb/" + std::to_string(100 + i);
    segments.push_back(
        {.first = 10 + 5 * i, .last = 12 + 5 * i, .kind = SegmentKind::kReference, .pin = Pin::kSoft, .source_id = id});
    all += " " + id;
  }
  int interrupted = 0;
  int in_the_middle = 0;
  for (int n = 200; n < 260; ++n) {
    std::shared_ptr<KvArena> arena = KvArena::create(shape.layout, 6).value();
    Driver alone = Driver::make(shape, options);
    Driver d = Driver::make(shape, options, arena);
    for (Driver* both : {&alone, &d}) {
      ASSERT_TRUE(both->m->add_segments(segments).ok());
      ASSERT_TRUE(both->append(std::vector<std::string>(static_cast<size_t>(n), " rain"), 20).ok());
    }
    const auto whole = alone.recall_mentioned(all);
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    ASSERT_GT(whole->recalled, 0);
    std::vector<PageId> held;
    ASSERT_TRUE(arena->allocate(arena->pages_total() - arena->pages_in_use(), &held).ok());
    const uint64_t before = d.m->counts().recalled;
    auto done = d.m->recall_mentioned(all, d.team);
    if (!done.ok()) {
      ++interrupted;
      in_the_middle += d.m->counts().recalled > before ? 1 : 0;
      EXPECT_FALSE(d.m->recall_mentioned(all, d.team).ok()) << "nothing has become free";
    }
    for (const PageId page : held) arena->release(page);
    if (!done.ok()) {
      const bool settled_before = n % 2 == 0;
      ASSERT_TRUE(!settled_before || d.m->settle(d.team).ok());
      done = d.m->recall_mentioned(all, d.team);
    }
    ASSERT_TRUE(done.ok()) << done.error().message;
    EXPECT_EQ(whole->recalled, done->recalled) << n;
    EXPECT_EQ(whole->missing, done->missing) << n;
    EXPECT_EQ(fingerprint(*alone.m), fingerprint(*d.m)) << n;
  }
  EXPECT_GT(interrupted, 3);
  EXPECT_GT(in_the_middle, 0);
}

}  // namespace
}  // namespace kedge::memory
