// What a sequence costs beside its pages, and that metadata_bytes() says so.
#include <malloc.h>

#include "tests/memory/kv_harness.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEDGE_SANITIZED 1
#else
#define KEDGE_SANITIZED 0
#endif

namespace kedge::memory {
namespace {

using namespace kv_harness;

size_t on_the_heap() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Tables as a model of 28 layers and 8 kv-heads has them, with small heads.
const KvShape kShape{{KvFormat::kF16, 4, 4}, 28, 8, 40960};

std::shared_ptr<KvArena> arena_of(size_t pages) { return KvArena::create(kShape.layout, pages).value(); }

// Tokens without keys or values.
void fill(KvMemory& m, int n) {
  for (int done = 0; done < n;) {
    auto step = KvStep::begin(m, {}, n - done, ThreadTeam());
    ASSERT_TRUE(step.ok()) << step.error().message;
    done += step->n();
    ASSERT_TRUE(step->commit(ThreadTeam()).ok());
  }
}

// A thousand idle sequences of 100 tokens: four page addresses a table, and a few kilobytes for all else.
TEST(KvCost, AThousandIdleSequences) {
  constexpr size_t kMany = 1000;
  constexpr size_t kTables = 28 * 8;
  const auto arena = arena_of(4 * kTables);
  std::vector<std::unique_ptr<KvMemory>> all;
  all.push_back(KvMemory::create(kShape, {}, reference_kernels(), arena).value());
  fill(*all[0], 100);
  (void)all[0]->sequence().positions(0);
  const size_t before = on_the_heap();
  while (all.size() < kMany) all.push_back(all[0]->fork().value());  // their pages are not what is measured here
  const double each = static_cast<double>(on_the_heap() - before) / static_cast<double>(kMany - 1);
  const auto told = static_cast<double>(all[1]->metadata_bytes());
  EXPECT_LE(all[1]->sequence().metadata_bytes(), kTables * (4 * sizeof(void*) + 8));
  EXPECT_LE(told, static_cast<double>(kTables * (4 * sizeof(void*) + 8) + 6144));
  RecordProperty("bytes_each", static_cast<int>(told));
  if (KEDGE_SANITIZED) return;
  EXPECT_NEAR(each, told, 0.15 * each) << "what it says is what it takes";
}

// Without a budget there are neither positions nor scores, however long the text is.
TEST(KvCost, UnboundedSequencesKnowNothingOfTheirTokens) {
  constexpr size_t kTables = 28 * 8;
  const auto arena = arena_of(kTables * 128);
  const auto m = KvMemory::create(kShape, {}, reference_kernels(), arena).value();
  fill(*m, 4000);
  EXPECT_FALSE(m->sequence().has_scores());
  EXPECT_LE(m->metadata_bytes(), kTables * (2 * 125 * sizeof(void*) + 8) + 6144)
      << "page addresses, half of them spare";
  EXPECT_EQ(3999, m->sequence().positions(7)[3999]);
}

TEST(KvCost, ABudgetHoldsWhatItsPolicyNeedsAndNotBefore) {
  constexpr size_t kTables = 28 * 8;
  constexpr int kBudget = 256;
  KvOptions options;
  options.budget = kBudget;
  for (const char* policy : {"sinks", "anchor", "h2o"}) {
    options.policy = policy;
    const auto arena = arena_of(kTables * 9);
    const auto m = KvMemory::create(kShape, options, reference_kernels(), arena).value();
    const bool all_rows = std::string(policy) == "h2o";
    fill(*m, 100);
    EXPECT_EQ(all_rows, m->sequence().has_scores()) << policy << ": of 100 tokens nobody asks anything yet";
    fill(*m, 700);
    EXPECT_GT(m->counts().events, 0u);
    const size_t grid = kTables * kBudget * sizeof(int32_t);
    const size_t pages = kTables * (kBudget / kPageTokens * sizeof(void*) + 8);
    const size_t by_slot = m->sequence().metadata_bytes() - pages;
    if (std::string(policy) == "sinks") {
      EXPECT_LE(by_slot, 2 * kBudget * sizeof(int32_t)) << "one list for all tables";
    } else {
      EXPECT_GE(by_slot, grid) << policy;
      EXPECT_LE(by_slot, 4 * grid) << policy << ": positions, scores, and scores as they were before a step";
    }
  }
}

// What metadata_bytes() says of a sequence with anchors, log and everything.
TEST(KvCost, WhatABoundedSequenceSaysIsWhatItTakes) {
  if (KEDGE_SANITIZED) GTEST_SKIP() << "the allocator does not tell";
  const KvShape shape = tiny_shape(4000, 2, 4);
  KvOptions options;
  options.budget = 128;
  std::vector<std::vector<std::string>> texts;
  for (uint64_t i = 0; i < 20; ++i) texts.push_back(Prose(i, 3).take(1500));
  std::shared_ptr<KvArena> arena = KvArena::create(shape.layout, 20 * 8 * 5).value();
  std::vector<std::unique_ptr<KvMemory>> all;
  size_t told = 0;
  size_t before = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i == 1) before = on_the_heap();  // the first one fills what the arena keeps for all
    Driver d = Driver::make(shape, options, arena);
    ASSERT_TRUE(d.append(texts[i], 64).ok());
    all.push_back(std::move(d.m));
    if (i > 0) told += all.back()->metadata_bytes();
  }
  const auto taken = static_cast<double>(on_the_heap() - before);
  EXPECT_NEAR(taken, static_cast<double>(told), 0.2 * taken);
}

}  // namespace
}  // namespace kedge::memory
