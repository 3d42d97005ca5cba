// Back to what was: after a rollback everything is as if the tokens since had never been evaluated.
#include <deque>
#include <optional>

#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

// Other tokens, recalls, truncations, segments, swaps: what a draft or a discarded answer does.
void go_astray(Driver& d, SpillFile& file, Dice& dice, Prose& prose) {
  for (int i = dice.below(5); i >= 0; --i) {
    const int next = d.m->sequence().next_position();
    const int left = d.m->n_ctx() - next;
    ++d.fillings;
    switch (dice.below(8)) {
      case 0:
        if (next > 1) (void)d.recall(dice.below(next - 1), next);
        break;
      case 1:
        (void)d.recall_mentioned("about " + Prose::name(dice.below(prose.named() + 1)));
        break;
      case 2:
        ASSERT_TRUE(d.truncate(std::max(0, next - dice.below(100))).ok());
        break;
      case 3: {
        const Segment s{.first = next / 2, .last = next / 2 + 9, .pin = Pin::kSoft, .source_id = "aside"};
        if (s.last <= d.m->n_ctx()) {
          ASSERT_TRUE(d.m->add_segments({&s, 1}).ok());
        }
        break;
      }
      case 4:
        ASSERT_TRUE(d.m->swap_out(file).ok());
        ASSERT_TRUE(d.m->swap_in().ok());
        break;
      default:
        if (left > 0) {
          ASSERT_TRUE(d.append(prose.take(std::min(left, 1 + dice.below(90))), 16).ok());
        }
    }
  }
}

std::unique_ptr<Driver> record_of(const Driver& d) {
  auto copy = std::make_unique<Driver>(nullptr);
  copy->follow(d);
  return copy;
}

TEST(KvCheckpoint, WhatCameSinceNeverHappened) {
  for (uint64_t seed = 0; seed < 120; ++seed) {
    Dice dice(seed + 300);
    const KvShape shape = tiny_shape(700, 1, 1 + dice.below(3));
    KvOptions options = random_options(dice, shape);
    options.forks = 4;
    Driver plain = Driver::make(shape, options);
    Driver d = Driver::make(shape, options);
    SpillFile file = std::move(SpillFile::create(testing::TempDir(), d.m->sequence().arena()).value());
    Prose prose(seed, 4);
    Prose astray(seed + 500, 3);
    for (int round = 0; round < 14; ++round) {
      const auto texts = prose.take(std::min(1 + dice.below(60), 700 - plain.m->sequence().next_position()));
      ASSERT_TRUE(plain.append(texts, 16).ok());
      ASSERT_TRUE(d.append(texts, 16).ok());
      const std::string where = "seed " + std::to_string(seed) + " round " + std::to_string(round) + " " +
                                options.policy + " " + std::to_string(options.budget);
      ASSERT_EQ(fingerprint(*plain.m), fingerprint(*d.m)) << where;
      const auto checkpoint = d.m->checkpoint();
      ASSERT_TRUE(checkpoint.ok());
      const auto record = record_of(d);
      for (int times = 1 + dice.below(2); times > 0; --times) {
        const std::optional<Driver> fork = dice.one_in(4) ? std::optional<Driver>(d.fork()) : std::nullopt;
        go_astray(d, file, dice, astray);
        if (testing::Test::HasFatalFailure()) FAIL() << where;
        ASSERT_TRUE(d.m->rollback(*checkpoint).ok());
        const uint32_t fillings = d.fillings;
        d.follow(*record);
        d.fillings = fillings;
        ASSERT_EQ(fingerprint(*plain.m), fingerprint(*d.m)) << where;
        ASSERT_EQ(plain.m->origin(), d.m->origin()) << where;
        d.check(where);
        if (testing::Test::HasFatalFailure()) return;
      }
      plain.fillings = d.fillings;  // later tokens are filled alike
    }
  }
}

// Several at once, taken and gone back to in any order; pages are held for none that is forgotten.
TEST(KvCheckpoint, ManyInAnyOrder) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Dice dice(seed + 77);
    const KvShape shape = tiny_shape(600, 1, 2);
    KvOptions options = random_options(dice, shape);
    options.forks = 40;
    Driver d = Driver::make(shape, options);
    SpillFile file = std::move(SpillFile::create(testing::TempDir(), d.m->sequence().arena()).value());
    Prose prose(seed, 4);
    struct Point {
      KvCheckpoint checkpoint;
      uint64_t print;
      uint64_t origin;
      std::unique_ptr<Driver> record;
    };
    std::deque<Point> points;
    for (int step = 0; step < 60; ++step) {
      const std::string where = "seed " + std::to_string(seed) + " step " + std::to_string(step) + " " + options.policy;
      const int action = dice.below(4);
      if (action == 0 && points.size() < 5) {
        points.push_back({std::move(d.m->checkpoint().value()), fingerprint(*d.m), d.m->origin(), record_of(d)});
      } else if (action == 1 && !points.empty()) {
        const Point& p = points[static_cast<size_t>(dice.below(static_cast<int>(points.size())))];
        ASSERT_TRUE(d.m->rollback(p.checkpoint).ok());
        const uint32_t fillings = d.fillings;
        d.follow(*p.record);
        d.fillings = fillings + 1;
        ASSERT_EQ(p.print, fingerprint(*d.m)) << where;
        ASSERT_EQ(p.origin, d.m->origin()) << where;
        d.check(where);
        if (testing::Test::HasFatalFailure()) return;
        if (dice.one_in(3)) points.pop_front();
      } else {
        go_astray(d, file, dice, prose);
        if (testing::Test::HasFatalFailure()) FAIL() << where;
      }
    }
    points.clear();
    EXPECT_EQ(distinct_pages({&d}), d.m->sequence().arena().pages_in_use());
  }
}

// Appending behind a checkpoint copies nothing, and going back needs no pages.
TEST(KvCheckpoint, ASpeculationCostsNoPages) {
  const KvShape shape = tiny_shape(500, 1, 2);
  std::shared_ptr<KvArena> arena = KvArena::create(shape.layout, 8).value();
  Driver d = Driver::make(shape, {}, arena);
  ASSERT_TRUE(d.append(std::vector<std::string>(100, " x"), 50).ok());
  for (int i = 0; i < 3; ++i) {
    const auto checkpoint = d.m->checkpoint();
    ASSERT_TRUE(d.append(std::vector<std::string>(28, " y"), 50).ok()) << "no page is free";
    ASSERT_TRUE(d.m->rollback(*checkpoint).ok());
    d.salt.resize(100);
    EXPECT_EQ(100, d.m->sequence().next_position());
    d.check("back");
  }
  const auto first = d.m->checkpoint();
  ASSERT_TRUE(d.append(std::vector<std::string>(20, " y"), 50).ok());
  const auto second = d.m->checkpoint();
  ASSERT_TRUE(d.m->rollback(*first).ok());
  EXPECT_EQ(2u, d.m->pages_needed(1)) << "the tail holds what the second would go back to";
}

TEST(KvCheckpoint, OfAnotherSequenceOrOfNone) {
  KvOptions options;
  options.forks = 2;
  Driver a = Driver::make(tiny_shape(100), options);
  ASSERT_TRUE(a.append({" x", " y"}, 8).ok());
  Driver b = a.fork();
  const auto of_a = a.m->checkpoint();
  EXPECT_EQ(ErrorCode::kInvalidArgument, b.m->rollback(*of_a).error().code);
  EXPECT_EQ(ErrorCode::kInvalidArgument, b.m->rollback(KvCheckpoint()).error().code);
  const KvCheckpoint copy = *of_a;
  EXPECT_TRUE(a.m->rollback(copy).ok());
  a.m.reset();  // the checkpoint may outlive it
}

}  // namespace
}  // namespace kedge::memory
