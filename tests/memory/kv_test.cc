// Pages: allocation, sharing, copy on write, truncation, and what a full arena says.
#include <gtest/gtest.h>

#include <cstring>

#include "memory/kv_arena.h"
#include "memory/kv_sequence.h"

namespace kedge {
namespace {

constexpr KvLayout kLayout{KvFormat::kF32, 4, 4};

// Marks a slot with a value in its first key element.
void mark(KvSequence& s, int layer, int head, int slot, float value) {
  std::memcpy(s.page_for_write(layer, head, slot) + (slot % kPageTokens) * 4, &value, 4);
}
float read(const KvSequence& s, int layer, int head, int slot) {
  float v;
  std::memcpy(&v, s.table(layer, head)[slot / kPageTokens] + (slot % kPageTokens) * 4, 4);
  return v;
}

TEST(KvPage, SizesOfTheFormats) {
  EXPECT_EQ(32u * 64 * 4 * 2, (KvLayout{KvFormat::kF32, 64, 64}.page_bytes()));
  EXPECT_EQ(32u * 64 * 2 * 2, (KvLayout{KvFormat::kF16, 64, 64}.page_bytes()));
  EXPECT_EQ(2u * (32 * 64 + 2 * 32 * 2), (KvLayout{KvFormat::kQ8_0, 64, 64}.page_bytes()));
}

TEST(KvArena, HandsOutEveryPageOnceAndTakesThemBack) {
  auto arena = KvArena::create(kLayout, 3).value();
  std::vector<PageId> pages;
  for (int i = 0; i < 3; ++i) pages.push_back(arena->allocate().value());
  EXPECT_NE(pages[0], pages[1]);
  EXPECT_NE(pages[1], pages[2]);
  const auto none = arena->allocate();
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(ErrorCode::kCapacity, none.error().code);
  EXPECT_NE(std::string::npos, none.error().message.find("all 3 pages"));
  arena->retain(pages[1]);
  arena->release(pages[1]);
  EXPECT_EQ(3u, arena->pages_in_use());
  arena->release(pages[1]);
  EXPECT_EQ(2u, arena->pages_in_use());
  EXPECT_EQ(pages[1], arena->allocate().value());
}

TEST(KvSequence, AllTablesGrowTogether) {
  auto arena = KvArena::create(kLayout, KvSequence::pages_for(2, 3, 100)).value();
  EXPECT_EQ(2u * 3 * 4, arena->pages_total());
  KvSequence s(*arena, 2, 3, 100);
  ASSERT_TRUE(s.reserve(33).ok());
  EXPECT_EQ(12u, arena->pages_in_use());
  EXPECT_EQ(0, s.length());
  for (int l = 0; l < 2; ++l) {
    for (int h = 0; h < 3; ++h) mark(s, l, h, 32, static_cast<float>(10 * l + h));
  }
  s.commit(33);
  EXPECT_EQ(33, s.length());
  EXPECT_EQ(12.0f, read(s, 1, 2, 32));
  s.truncate(32);
  EXPECT_EQ(6u, arena->pages_in_use());
  s.truncate(0);
  EXPECT_EQ(0u, arena->pages_in_use());
}

TEST(KvSequence, FullContextNamesTheNumbers) {
  auto arena = KvArena::create(kLayout, 100).value();
  KvSequence s(*arena, 1, 1, 40);
  ASSERT_TRUE(s.reserve(30).ok());
  s.commit(30);
  const Status full = s.reserve(11);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ("context full: 30 tokens are in the cache, 11 more do not fit into a context of 40", full.error().message);
  EXPECT_TRUE(s.reserve(10).ok());
}

TEST(KvSequence, FullArenaLeavesTheSequenceAsItWas) {
  auto arena = KvArena::create(kLayout, 3).value();
  KvSequence s(*arena, 1, 2, 1000);
  ASSERT_TRUE(s.reserve(32).ok());
  s.commit(32);
  EXPECT_FALSE(s.reserve(1).ok());
  EXPECT_EQ(2u, arena->pages_in_use());
  EXPECT_EQ(32, s.length());
}

TEST(KvSequence, ForkSharesPagesAndCopiesOnlyTheTail) {
  auto arena = KvArena::create(kLayout, 100).value();
  KvSequence a(*arena, 1, 2, 200);
  ASSERT_TRUE(a.reserve(70).ok());
  for (int i = 0; i < 70; ++i) mark(a, 0, 1, i, static_cast<float>(i));
  a.commit(70);
  EXPECT_EQ(6u, arena->pages_in_use());
  {
    KvSequence b = a.fork();
    EXPECT_EQ(6u, arena->pages_in_use());
    ASSERT_TRUE(b.reserve(1).ok());
    EXPECT_EQ(8u, arena->pages_in_use());  // the tail of both heads
    mark(b, 0, 1, 70, -1.0f);
    b.commit(1);
    ASSERT_TRUE(a.reserve(1).ok());
    EXPECT_EQ(8u, arena->pages_in_use());  // a's tail is its own again
    mark(a, 0, 1, 70, -2.0f);
    a.commit(1);
    EXPECT_EQ(-1.0f, read(b, 0, 1, 70));
    EXPECT_EQ(-2.0f, read(a, 0, 1, 70));
    for (int i = 0; i < 70; ++i) EXPECT_EQ(static_cast<float>(i), read(b, 0, 1, i));
    EXPECT_EQ(a.table(0, 1)[0], b.table(0, 1)[0]);
    EXPECT_NE(a.table(0, 1)[2], b.table(0, 1)[2]);
  }
  EXPECT_EQ(6u, arena->pages_in_use());
}

}  // namespace
}  // namespace kedge
