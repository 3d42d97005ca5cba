// Pages: allocation, sharing, copy on write, truncation, and what a full arena says.
#include <gtest/gtest.h>

#include <cstring>

#include "memory/kv_arena.h"
#include "memory/kv_sequence.h"

namespace kedge::memory {
namespace {

constexpr KvLayout kLayout{KvFormat::kF32, 4, 4};

std::shared_ptr<KvArena> make_arena(size_t pages) { return KvArena::create(kLayout, pages).value(); }

// Marks a slot with a value in its first key element.
void mark(KvSequence& s, int layer, int head, int slot, float value) {
  std::memcpy(s.page_for_write(s.table_of(layer, head), slot) + (slot % kPageTokens) * 4, &value, 4);
}
float read(const KvSequence& s, int layer, int head, int slot) {
  float v;
  std::memcpy(&v, s.table(s.table_of(layer, head))[slot / kPageTokens] + (slot % kPageTokens) * 4, 4);
  return v;
}

TEST(KvPage, SizesOfTheFormats) {
  EXPECT_EQ(32u * 64 * 4 * 2, (KvLayout{KvFormat::kF32, 64, 64}.page_bytes()));
  EXPECT_EQ(32u * 64 * 2 * 2, (KvLayout{KvFormat::kF16, 64, 64}.page_bytes()));
  EXPECT_EQ(2u * (32 * 64 + 2 * 32 * 2), (KvLayout{KvFormat::kQ8_0, 64, 64}.page_bytes()));
}

TEST(KvArena, HandsOutEveryPageOnceAndTakesThemBack) {
  auto arena = make_arena(3);
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
  auto arena = make_arena(KvSequence::pages_for(2, 3, 100));
  EXPECT_EQ(2u * 3 * 4, arena->pages_total());
  KvSequence s(arena, 2, 3, 100);
  ASSERT_TRUE(s.reserve(33).ok());
  EXPECT_EQ(12u, arena->pages_in_use());
  EXPECT_EQ(0, s.next_position());
  for (int l = 0; l < 2; ++l) {
    for (int h = 0; h < 3; ++h) mark(s, l, h, 32, static_cast<float>(10 * l + h));
  }
  s.commit(33);
  EXPECT_EQ(33, s.most_slots());
  EXPECT_EQ(12.0f, read(s, 1, 2, 32));
  ASSERT_TRUE(s.truncate(32, ThreadTeam()).ok());
  EXPECT_EQ(6u, arena->pages_in_use());
  ASSERT_TRUE(s.truncate(0, ThreadTeam()).ok());
  EXPECT_EQ(0u, arena->pages_in_use());
}

TEST(KvSequence, FullContextNamesTheNumbers) {
  auto arena = make_arena(100);
  KvSequence s(arena, 1, 1, 40);
  ASSERT_TRUE(s.reserve(30).ok());
  s.commit(30);
  const Status full = s.reserve(11);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ("context full: 30 tokens are in the cache, 11 more do not fit into a context of 40", full.error().message);
  EXPECT_TRUE(s.reserve(10).ok());
}

TEST(KvSequence, FullArenaLeavesTheSequenceAsItWas) {
  auto arena = make_arena(3);
  KvSequence s(arena, 1, 2, 1000);
  ASSERT_TRUE(s.reserve(32).ok());
  s.commit(32);
  EXPECT_FALSE(s.reserve(1).ok());
  EXPECT_EQ(2u, arena->pages_in_use());
  EXPECT_EQ(32, s.most_slots());
}

TEST(KvSequence, ForkSharesPagesAndCopiesOnlyTheTail) {
  auto arena = make_arena(100);
  KvSequence a(arena, 1, 2, 200);
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
    EXPECT_EQ(a.table(1)[0], b.table(1)[0]);
    EXPECT_NE(a.table(1)[2], b.table(1)[2]);
  }
  EXPECT_EQ(6u, arena->pages_in_use());
}

// Slots [0, n) of both tables hold what identifies their position and table.
KvSequence numbered(const std::shared_ptr<KvArena>& arena, int n) {
  KvSequence s(arena, 1, 2, 200);
  EXPECT_TRUE(s.reserve(n).ok());
  for (int i = 0; i < n; ++i) {
    for (int h = 0; h < 2; ++h) mark(s, 0, h, i, static_cast<float>(1000 * h + i));
  }
  s.commit(n);
  return s;
}
void expect_contents(const KvSequence& s, int table, const std::vector<int32_t>& positions) {
  ASSERT_EQ(positions, std::vector<int32_t>(s.positions(table).begin(), s.positions(table).end()));
  for (size_t i = 0; i < positions.size(); ++i) {
    EXPECT_EQ(static_cast<float>(1000 * table + positions[i]), read(s, 0, table, static_cast<int>(i)));
  }
}

TEST(KvSequence, RemovingMovesOnlySparsePagesInTheOrderOfPositions) {
  auto arena = make_arena(100);
  KvSequence s = numbered(arena, 100);
  const std::byte* second = s.table(0)[1];
  // Table 0 loses tokens of its first and third page, table 1 others.
  std::vector<std::vector<int32_t>> victims = {{0, 1, 2, 70, 71}, {40}};
  ASSERT_TRUE(s.remove(victims, ThreadTeam()).ok());
  EXPECT_EQ(95, s.slots(0));
  EXPECT_EQ(99, s.slots(1));
  EXPECT_EQ(100, s.next_position());
  EXPECT_EQ(second, s.table(0)[0]) << "a page without a victim stays";
  std::vector<int32_t> expected;
  for (int i = 32; i < 64; ++i) expected.push_back(i);
  for (int i = 3; i < 32; ++i) expected.push_back(i);
  for (int i = 64; i < 100; ++i) {
    if (i != 70 && i != 71) expected.push_back(i);
  }
  expect_contents(s, 0, expected);
  EXPECT_EQ(3u + 4u, s.pages());
  EXPECT_EQ(7u, arena->pages_in_use());
}

TEST(KvSequence, RemovingFromAForkLeavesTheOriginalAlone) {
  auto arena = make_arena(100);
  KvSequence a = numbered(arena, 100);
  {
    KvSequence b = a.fork();
    std::vector<std::vector<int32_t>> victims = {{5}, {}};
    ASSERT_TRUE(b.remove(victims, ThreadTeam()).ok());
    EXPECT_EQ(99, b.slots(0));
    std::vector<int32_t> all(100);
    for (int i = 0; i < 100; ++i) all[static_cast<size_t>(i)] = i;
    expect_contents(a, 0, all);
    expect_contents(a, 1, all);
    expect_contents(b, 1, all);
    EXPECT_EQ(8u + 2u, arena->pages_in_use());  // the first page and the tail of table 0
  }
  EXPECT_EQ(8u, arena->pages_in_use());
}

TEST(KvSequence, RemovingNeedsPagesOnlyForWhatIsShared) {
  auto arena = make_arena(8);
  KvSequence a = numbered(arena, 100);
  std::vector<std::vector<int32_t>> victims = {{5}, {6}};
  {
    KvSequence b = a.fork();
    const Status full = b.remove(victims, ThreadTeam());
    ASSERT_FALSE(full.ok());
    EXPECT_EQ("KV arena full: 4 pages needed, 0 of 8 free", full.error().message);
    EXPECT_EQ(100, b.slots(0)) << "nothing happened";
  }
  EXPECT_TRUE(a.remove(victims, ThreadTeam()).ok());
}

TEST(KvSequence, TruncationFindsTokensWhereverTheyAre) {
  auto arena = make_arena(100);
  KvSequence s = numbered(arena, 100);
  std::vector<std::vector<int32_t>> victims = {{0}, {}};
  ASSERT_TRUE(s.remove(victims, ThreadTeam()).ok());  // table 0: 32..95, then 1..31 and 96..99
  ASSERT_TRUE(s.truncate(40, ThreadTeam()).ok());
  EXPECT_EQ(40, s.next_position());
  EXPECT_EQ(39, s.slots(0));
  EXPECT_EQ(40, s.slots(1));
  ASSERT_TRUE(s.reserve(1).ok());
  s.commit(1);
  EXPECT_EQ(40, s.positions(0).back());
}

}  // namespace
}  // namespace kedge::memory
