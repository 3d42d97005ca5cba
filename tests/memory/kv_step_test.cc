// A step is a transaction: what is dropped never happened, nothing can be done in a wrong order, and an arena that is
// full changes nothing.
#include <optional>

#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

std::vector<std::string_view> views_of(const std::vector<std::string>& texts, size_t first, size_t n) {
  const auto from = texts.begin() + static_cast<std::ptrdiff_t>(first);
  return {from, from + static_cast<std::ptrdiff_t>(std::min(n, texts.size() - first))};
}

// Steps of other tokens are begun and dropped, after none, some or all of their rows, before and between the real ones.
void drop_some(Driver& d, const std::vector<std::string>& texts, size_t done, Dice& dice, bool retract) {
  const auto views = views_of(texts, done, static_cast<size_t>(1 + dice.below(40)));
  if (views.empty()) return;
  auto step = KvStep::begin(*d.m, views, static_cast<int>(views.size()), d.team);
  ASSERT_TRUE(step.ok()) << step.error().message;
  d.fillings = 7;  // what it leaves behind in pages would be seen
  d.run(*step, retract ? 0 : dice.below(step->n() + 1));
  d.fillings = 0;
  if (retract) {
    step->retract();
  } else if (dice.one_in(2)) {
    const KvStep moved = std::move(*step);  // dropped with what it was moved to
  }
}

class DroppedSteps : public testing::TestWithParam<bool> {};

TEST_P(DroppedSteps, NeverHappened) {
  const bool retract = GetParam();
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Dice dice(seed + 40);
    const KvShape shape = tiny_shape(1000, 1, 1 + dice.below(3));
    const KvOptions options = random_options(dice, shape);
    Driver plain = Driver::make(shape, options);
    Driver dropping = Driver::make(shape, options);
    const std::vector<std::string> texts = Prose(seed, 4).take(400);
    for (size_t done = 0; done < texts.size();) {
      const size_t n = std::min(texts.size() - done, static_cast<size_t>(1 + dice.below(60)));
      const std::vector<std::string> part(texts.begin() + static_cast<std::ptrdiff_t>(done),
                                          texts.begin() + static_cast<std::ptrdiff_t>(done + n));
      const int chunk = 1 + dice.below(30);
      ASSERT_TRUE(plain.append(part, chunk).ok());
      dropping.during([&] {
        drop_some(dropping, texts, done, dice, retract);
        drop_some(dropping, texts, done, dice, retract);
      });
      if (testing::Test::HasFatalFailure()) return;
      ASSERT_TRUE(dropping.append(part, 1 + dice.below(30)).ok());
      done += n;
      const std::string where = "seed " + std::to_string(seed) + " after " + std::to_string(done) + " " +
                                options.policy + " budget " + std::to_string(options.budget);
      ASSERT_EQ(fingerprint(*plain.m), fingerprint(*dropping.m)) << where;
      dropping.check(where);
      if (testing::Test::HasFatalFailure()) return;
    }
    EXPECT_NE(0u, plain.m->origin());
    EXPECT_EQ(retract ? plain.m->origin() : 0, dropping.m->origin()) << "half a step is no part of the text";
    EXPECT_EQ(distinct_pages({&dropping}), dropping.m->sequence().arena().pages_in_use());
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, DroppedSteps, testing::Bool(),
                         [](const auto& p) { return p.param ? std::string("Retracted") : std::string("HalfWay"); });

TEST(KvStep, WhatComesAtAWrongTimeIsRefused) {
  KvOptions options;
  options.budget = 64;
  options.cold = KvOptions::Cold::kRam;
  options.forks = 2;
  Driver d = Driver::make(tiny_shape(500), options);
  Prose prose(2);
  ASSERT_TRUE(d.append(prose.take(100), 9).ok());
  const uint64_t before = fingerprint(*d.m);
  const auto checkpoint = d.m->checkpoint();
  ASSERT_TRUE(checkpoint.ok());
  const std::vector<std::string> texts = prose.take(8);
  const auto views = views_of(texts, 0, 8);
  auto step = KvStep::begin(*d.m, views, 8, d.team);
  ASSERT_TRUE(step.ok());
  auto file = SpillFile::create(testing::TempDir(), d.m->sequence().arena());
  ASSERT_TRUE(file.ok());
  const auto refused = [](const auto& result) {
    return !result.ok() && result.error().code == ErrorCode::kInvalidArgument &&
           result.error().message == "KV memory: a step is open";
  };
  const Segment segment{.first = 3, .last = 5, .source_id = ""};
  EXPECT_TRUE(refused(KvStep::begin(*d.m, views, 8, d.team)));
  EXPECT_TRUE(refused(d.m->truncate(10, d.team)));
  EXPECT_TRUE(refused(d.m->recall(0, 4, d.team)));
  EXPECT_TRUE(refused(d.m->recall_mentioned("x", d.team)));
  EXPECT_TRUE(refused(d.m->add_segments({&segment, 1})));
  EXPECT_TRUE(refused(d.m->settle(d.team)));
  EXPECT_TRUE(refused(d.m->fork()));
  EXPECT_TRUE(refused(d.m->freeze()));
  EXPECT_TRUE(refused(d.m->checkpoint()));
  EXPECT_TRUE(refused(d.m->rollback(*checkpoint)));
  EXPECT_TRUE(refused(d.m->swap_out(*file)));
  EXPECT_TRUE(refused(d.save(temporary_path("open"))));
  EXPECT_EQ(before, fingerprint(*d.m));
  KvStep moved = std::move(*step);
  EXPECT_FALSE(step->commit(d.team).ok()) << "the other one has it";
  d.run(moved, moved.n());
  const int n = moved.n();
  ASSERT_TRUE(moved.commit(d.team).ok());
  EXPECT_FALSE(moved.commit(d.team).ok());
  moved.retract();
  EXPECT_EQ(100 + n, d.m->sequence().next_position()) << "a step that is over does nothing";
  EXPECT_TRUE(d.m->truncate(10, d.team).ok());
}

TEST(KvStep, BadQuestionsAndAMemoryThatIsGone) {
  KvOptions options;
  options.budget = 64;
  Driver d = Driver::make(tiny_shape(500), options);
  const std::vector<std::string_view> views = {"a", "b"};
  EXPECT_EQ(ErrorCode::kInvalidArgument, KvStep::begin(*d.m, views, 0, d.team).error().code);
  EXPECT_EQ(ErrorCode::kInvalidArgument, KvStep::begin(*d.m, views, 3, d.team).error().code);
  auto step = KvStep::begin(*d.m, {}, 3, d.team);
  ASSERT_TRUE(step.ok());
  d.m.reset();
  EXPECT_FALSE(step->commit(d.team).ok());
}

TEST(KvStep, WithoutTextsNothingIsMentioned) {
  KvOptions options;
  options.budget = 48;
  options.cold = KvOptions::Cold::kRam;
  Driver a = Driver::make(tiny_shape(500), options);
  Driver b = Driver::make(tiny_shape(500), options);
  for (int i = 0; i < 200; i += 10) {
    ASSERT_TRUE(a.append(std::vector<std::string>(10), 10).ok());
    for (int left = 10; left > 0;) {
      auto step = KvStep::begin(*b.m, {}, left, b.team);
      ASSERT_TRUE(step.ok());
      b.run(*step, step->n());
      left -= step->n();
      ASSERT_TRUE(step->commit(b.team).ok());
    }
  }
  EXPECT_EQ(fingerprint(*a.m), fingerprint(*b.m));
}

TEST(KvStep, AFullArenaChangesNothingAndSaysWhatIsMissing) {
  const KvShape shape = tiny_shape(1000, 1, 2);
  std::shared_ptr<KvArena> arena = KvArena::create(shape.layout, 10).value();
  Driver a = Driver::make(shape, {}, arena);
  auto b = std::make_unique<Driver>(Driver::make(shape, {}, arena));
  EXPECT_EQ(4u, a.m->pages_needed(33));
  ASSERT_TRUE(a.append(std::vector<std::string>(90, " x"), 90).ok());
  ASSERT_TRUE(b->append(std::vector<std::string>(60, " x"), 60).ok());
  EXPECT_EQ(0u, a.m->pages_needed(6));
  EXPECT_EQ(2u, a.m->pages_needed(7));
  const uint64_t before = fingerprint(*a.m);
  const uint64_t origin = a.m->origin();
  EXPECT_EQ(6u, a.m->pages_needed(100));
  const auto none = KvStep::begin(*a.m, {}, 100, a.team);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(ErrorCode::kCapacity, none.error().code);
  EXPECT_EQ(6u, a.m->missing_pages()) << none.error().message;
  EXPECT_EQ(before, fingerprint(*a.m));
  EXPECT_EQ(origin, a.m->origin());
  EXPECT_EQ(10u, arena->pages_in_use());
  EXPECT_FALSE(a.m->truncate(2000, a.team).ok() && a.m->missing_pages() > 0) << "of the last call";
  b.reset();
  ASSERT_TRUE(KvStep::begin(*a.m, {}, 37, a.team).ok());
  EXPECT_EQ(6u, arena->pages_in_use()) << "a dropped step gives its pages back";
}

TEST(KvStep, ACopyOfASharedTailIsCounted) {
  const KvShape shape = tiny_shape(1000, 1, 2);
  std::shared_ptr<KvArena> arena = KvArena::create(shape.layout, 100).value();
  Driver a = Driver::make(shape, {}, arena);
  ASSERT_TRUE(a.append(std::vector<std::string>(40, " x"), 90).ok());
  EXPECT_EQ(0u, a.m->pages_needed(1));
  const Driver b = a.fork();
  EXPECT_EQ(2u, a.m->pages_needed(1));
  EXPECT_EQ(4u, b.m->pages_needed(30));
}

TEST(KvMemory, AnArenaOfAnotherLayoutIsRefused) {
  std::shared_ptr<KvArena> arena = KvArena::create(tiny_shape(10).layout, 10).value();
  const auto made = KvMemory::create(tiny_shape(10, 1, 2, KvFormat::kF16), {}, reference_kernels(), arena);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(ErrorCode::kInvalidArgument, made.error().code);
}

// A clean state of any options is a beginning for memories of others.
TEST(KvMemory, BeginsWithTokensOfOthers) {
  const KvShape shape = tiny_shape(600, 1, 2);
  std::shared_ptr<KvArena> arena = KvArena::create(shape.layout, 400).value();
  const std::vector<std::string> texts = Prose(6, 4).take(300);
  const std::vector<std::string> first(texts.begin(), texts.begin() + 80);
  Driver source = Driver::make(shape, {}, arena);
  ASSERT_TRUE(source.append(first, 80).ok());
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Dice dice(seed);
    const KvOptions options = random_options(dice, shape);
    Driver whole = Driver::make(shape, options, arena);
    Driver begun = Driver::make(shape, options, arena);
    const int n = begun.m->usable(*source.m, 80);
    EXPECT_EQ(std::min(80, begun.m->setup().first_counted()), n) << options.policy;
    const auto views = views_of(texts, 0, static_cast<size_t>(n));
    EXPECT_FALSE(begun.m->begin_with(*source.m, n + 1, views_of(texts, 0, static_cast<size_t>(n) + 1)).ok());
    ASSERT_TRUE(begun.m->begin_with(*source.m, n, views).ok());
    begun.salt.assign(static_cast<size_t>(n), 0);
    const std::vector<std::string> rest(texts.begin() + n, texts.end());
    ASSERT_TRUE(begun.append(rest, 13).ok());
    ASSERT_TRUE(whole.append(texts, 50).ok());
    EXPECT_EQ(fingerprint(*whole.m), fingerprint(*begun.m)) << options.policy << " " << options.budget;
    EXPECT_EQ(whole.m->origin(), begun.m->origin());
    if (whole.m->counts().events > 0) {
      EXPECT_EQ(0, begun.m->usable(*whole.m, 10));
    }
  }
}

}  // namespace
}  // namespace kedge::memory
