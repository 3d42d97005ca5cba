// Random schedules of everything that can be done to a memory, with a shadow of what every slot must hold; and that
// what happens depends on the tokens alone.
#include <unistd.h>

#include <map>
#include <thread>

#include "tests/memory/every_policy.h"
#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

struct Case {
  KvShape shape;
  KvOptions options;
};

Case random_case(Dice& dice) {
  constexpr KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8_0, KvFormat::kQ4_0};
  const KvFormat format = kFormats[dice.below(4)];
  Case c{tiny_shape(1200, 1 + dice.below(2), 1 + dice.below(2), format), {}};
  const auto names = policy_names();
  do {
    c.options.policy = names[static_cast<size_t>(dice.below(static_cast<int>(names.size())))];
  } while (!find_policy(c.options.policy)->evicts);
  if (dice.one_in(2)) c.options.policy = "anchor";
  c.options.budget = 32 + dice.below(100);
  c.options.forks = 4;
  c.options.log = 1 << 16;
  c.options.seed = dice.next();
  const int cold = dice.below(4);
  if (cold > 0) c.options.cold = cold == 3 ? KvOptions::Cold::kFile : KvOptions::Cold::kRam;
  if (cold == 3) c.options.cold_path = temporary_path("cold");
  if (cold > 0 && is_quantised(format) && dice.one_in(3)) {
    c.options.cold_format = dice.one_in(2) ? KvFormat::kQ8_0 : KvFormat::kQ4_0;
  }
  const size_t block = ((c.shape.layout.page_bytes() + 63) / 64 * 64) * static_cast<size_t>(c.shape.n_layers) *
                       static_cast<size_t>(c.shape.n_kv_heads);
  c.options.cold_bytes = block * static_cast<size_t>(3 + dice.below(12)) * (dice.one_in(3) ? 10 : 1);
  return c;
}

void expect_no_leak(const std::vector<Driver>& live, const std::string& where) {
  std::map<KvArena*, std::vector<const Driver*>> by_arena;
  for (const Driver& d : live) by_arena[&d.m->sequence().arena()].push_back(&d);
  for (const auto& [arena, drivers] : by_arena) {
    ASSERT_EQ(distinct_pages(drivers), arena->pages_in_use()) << where;
  }
}

// A fork needs room: sequences of one arena are at most as many as its option says.
bool may_fork(const std::vector<Driver>& live, const Driver& d) {
  int same = 0;
  for (const Driver& o : live) same += &o.m->sequence().arena() == &d.m->sequence().arena() ? 1 : 0;
  return same < d.m->options().forks;
}

std::vector<Segment> random_segments(Dice& dice, int next, int n_ctx) {
  std::vector<Segment> segments;
  for (int i = 1 + dice.below(3); i > 0; --i) {
    Segment s;
    s.first = std::max(0, next - 30 + dice.below(80));
    s.last = std::min(n_ctx, s.first + 1 + dice.below(20));
    if (s.first >= s.last) continue;
    s.kind = static_cast<SegmentKind>(dice.below(6));
    s.pin = static_cast<Pin>(dice.below(3));
    s.priority = static_cast<uint8_t>(dice.below(100));
    s.ttl = dice.one_in(3) ? 50 : 0;
    s.trust = dice.one_in(4) ? 0.2f : 1.0f;
    s.source_id = "source-" + std::to_string(dice.below(5));
    segments.push_back(s);
  }
  return segments;
}

void one_action(std::vector<Driver>& live, Dice& dice, Prose& prose, std::string* what) {
  const auto at = static_cast<size_t>(dice.below(static_cast<int>(live.size())));
  Driver& d = live[at];
  const int next = d.m->sequence().next_position();
  const int left = d.m->n_ctx() - next;
  const int action = dice.below(16);
  if (action < 7 && left > 0) {
    const int n = std::min(left, 1 + dice.below(60));
    *what = "append " + std::to_string(n);
    const Status s = d.append(prose.take(n), 1 + dice.below(40));
    ASSERT_TRUE(s.ok()) << s.error().message;
  } else if (action == 7 && live.size() < 6 && may_fork(live, d)) {
    *what = "fork";
    Driver copy = d.fork();
    ASSERT_EQ(d.m->retention(), copy.m->retention());
    live.push_back(std::move(copy));
  } else if (action == 8 && next > 0) {
    const int first = dice.below(next);
    const int last = std::min(next, first + 1 + dice.below(d.m->budget() / 2));
    *what = "recall range";
    const auto done = d.recall(first, last);
    ASSERT_TRUE(done.ok() || done.error().code == ErrorCode::kCapacity) << done.error().message;
  } else if (action == 9 && prose.named() > 0) {
    *what = "recall mentioned";
    const auto done = d.recall_mentioned("about " + Prose::name(dice.below(prose.named())) + " again");
    ASSERT_TRUE(done.ok() || done.error().code == ErrorCode::kCapacity) << done.error().message;
  } else if (action == 10 && next > 0) {
    const int n = dice.one_in(8) ? 0 : next - std::min(next, dice.below(90));
    *what = "truncate to " + std::to_string(n);
    const Status s = d.truncate(n);
    ASSERT_TRUE(s.ok()) << s.error().message;
    ++d.fillings;
  } else if (action == 11 || action == 12) {
    *what = "save and load";
    const std::string path = temporary_path("schedule");
    const Status s = d.save(path);
    ASSERT_TRUE(s.ok()) << s.error().message;
    auto loaded = Driver::load(path, d.m->shape());
    ::unlink(path.c_str());
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    ASSERT_EQ(d.m->retention(), (*loaded)->retention());
    ASSERT_EQ(d.m->hot_positions(), (*loaded)->hot_positions());
    d.m = std::move(loaded).value();  // goes on in an arena of its own
  } else if (action == 13 && live.size() > 1) {
    *what = "free";
    live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
  } else {
    *what = "segments";
    const auto refused = d.m->add_segments(random_segments(dice, next, d.m->n_ctx()));
    ASSERT_TRUE(refused.ok()) << refused.error().message;
  }
}

class Schedules : public testing::TestWithParam<int> {};

// 10 of these with 10 seeds each: 100 schedules.
TEST_P(Schedules, KeepEveryInvariant) {
  for (int i = 0; i < 10; ++i) {
    const int seed = GetParam() * 10 + i;
    Dice dice(static_cast<uint64_t>(seed));
    Prose prose(static_cast<uint64_t>(seed) + 1000);
    const Case c = random_case(dice);
    std::vector<Driver> live;
    live.push_back(Driver::make(c.shape, c.options));
    for (int step = 0; step < 40; ++step) {
      std::string what;
      one_action(live, dice, prose, &what);
      const std::string where = "seed " + std::to_string(seed) + " step " + std::to_string(step) + " " + what + " (" +
                                c.options.policy + " " + std::to_string(c.options.budget) + ")";
      if (testing::Test::HasFatalFailure()) FAIL() << where;
      for (Driver& d : live) {
        d.check(where);
        if (testing::Test::HasFatalFailure()) return;
      }
      expect_no_leak(live, where);
      if (testing::Test::HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Schedules, testing::Range(0, 10));

TEST(KvMemory, NoPageOutlivesItsSequences) {
  Prose prose(5);
  KvOptions options;
  options.budget = 64;
  options.forks = 3;
  Driver a = Driver::make(tiny_shape(1000), options);
  ASSERT_TRUE(a.append(prose.take(100), 9).ok());
  KvArena* arena = &a.m->sequence().arena();
  {
    Driver b = a.fork();
    Driver c = b.fork();
    ASSERT_TRUE(b.append(prose.take(50), 50).ok());
    ASSERT_TRUE(c.append(prose.take(150), 3).ok());
    EXPECT_EQ(distinct_pages({&a, &b, &c}), arena->pages_in_use());
  }
  EXPECT_EQ(distinct_pages({&a}), arena->pages_in_use());
  ASSERT_TRUE(a.truncate(0).ok());
  EXPECT_EQ(0u, arena->pages_in_use());
}

TEST(KvMemory, AForkWithoutRoomIsRefused) {
  Prose prose(5);
  KvOptions options;
  options.budget = 64;
  Driver a = Driver::make(tiny_shape(1000), options);
  ASSERT_TRUE(a.append(prose.take(100), 9).ok());
  ASSERT_TRUE(a.append(prose.take(a.m->budget() - a.m->sequence().most_slots()), 9).ok());
  const auto fork = a.m->fork();
  ASSERT_FALSE(fork.ok());
  EXPECT_EQ(ErrorCode::kCapacity, fork.error().code);
  EXPECT_NE(std::string::npos, fork.error().message.find("forks")) << fork.error().message;
}

// Four forks of one sequence go on at once, each on a thread of its own.
TEST(KvMemory, ForksOnThreadsShareTheArena) {
  for (const auto cold : {KvOptions::Cold::kOff, KvOptions::Cold::kRam, KvOptions::Cold::kFile}) {
    KvOptions options;
    options.budget = 96;
    options.forks = 4;
    options.log = 1 << 14;
    options.cold = cold;
    options.cold_bytes = 1 << 16;
    options.cold_path = temporary_path("threads");
    Prose prose(17);
    std::vector<Driver> forks;
    forks.push_back(Driver::make(tiny_shape(4000, 2, 2), options));
    ASSERT_TRUE(forks[0].append(prose.take(200), 16).ok());
    for (int i = 0; i < 3; ++i) forks.push_back(forks[0].fork());
    std::vector<std::thread> threads;
    std::vector<std::string> errors(forks.size());
    for (size_t i = 0; i < forks.size(); ++i) {
      threads.emplace_back([&, i] {
        Prose own(17 + i / 2);  // two and two go the same way
        Driver& d = forks[i];
        for (int round = 0; round < 12; ++round) {
          Status s = d.append(own.take(40), 1 + static_cast<int>(i) * 5);
          if (s.ok() && round == 7) s = d.truncate(d.m->sequence().next_position() - 25);
          if (s.ok() && round == 9) {
            auto again = d.m->fork();  // may find no room; then that is all
            if (again.ok()) again->reset();
          }
          if (!s.ok()) errors[i] = s.error().message;
        }
      });
    }
    for (std::thread& t : threads) t.join();
    for (const std::string& e : errors) EXPECT_EQ("", e);
    for (Driver& d : forks) d.check("after the threads");
    EXPECT_EQ(distinct_pages({&forks[0], &forks[1], &forks[2], &forks[3]}),
              forks[0].m->sequence().arena().pages_in_use());
    EXPECT_EQ(forks[0].m->retention(), forks[1].m->retention());
    EXPECT_EQ(forks[2].m->retention(), forks[3].m->retention());
    EXPECT_NE(forks[0].m->retention(), forks[2].m->retention());
  }
}

std::string log_of(const KvMemory& m) {
  std::string text;
  for (const KvLogEntry& e : m.log().entries()) {
    text += std::to_string(e.number) + ":" + std::to_string(e.event) + "@" + std::to_string(e.position) + " " +
            kv_why_name(e.why) + " [" + std::to_string(e.first) + "," + std::to_string(e.last) + ") t" +
            std::to_string(e.table) + " " + std::to_string(e.tier) + "/" + std::to_string(e.score) + "\n";
  }
  for (const DetachedReference& d : m.detached()) {
    text += "detached " + d.reference + "@" + std::to_string(d.position) + " " + std::to_string(d.first) + "\n";
  }
  return text;
}

class EveryPolicy : public testing::TestWithParam<std::string> {};

// The same tokens: whole, in steps of any size, saved and loaded on the way, and in a fork.
TEST_P(EveryPolicy, DependsOnTheTokensOnly) {
  for (const auto cold : {KvOptions::Cold::kOff, KvOptions::Cold::kRam, KvOptions::Cold::kFile}) {
    KvOptions options;
    options.policy = GetParam();
    options.budget = 72;
    options.log = 1 << 14;
    options.cold = cold;
    options.cold_path = temporary_path("same");
    options.cold_bytes = 12 * 1024;
    options.forks = 2;
    const KvShape shape = tiny_shape(2000, 2, 2);
    const std::vector<std::string> texts = Prose(3).take(700);
    std::vector<Segment> segments(3);
    segments[0] = {
        .first = 100, .last = 112, .kind = SegmentKind::kReference, .pin = Pin::kSoft, .source_id = "KB-771"};
    segments[1] = {
        .first = 106, .last = 109, .kind = SegmentKind::kReference, .pin = Pin::kSoft, .source_id = "KB-771"};
    segments[2] = {.first = 400, .last = 420, .kind = SegmentKind::kRetrieved, .pin = Pin::kHard, .source_id = ""};
    const auto run = [&](int chunk, int piece, int save_every, int fork_at) {
      Driver d = Driver::make(shape, options);
      EXPECT_TRUE(d.m->add_segments(segments).ok());
      std::unique_ptr<Driver> parent;
      for (size_t done = 0, round = 1; done < texts.size(); ++round) {
        const size_t n = std::min(static_cast<size_t>(piece), texts.size() - done);
        const std::vector<std::string> part(texts.begin() + static_cast<std::ptrdiff_t>(done),
                                            texts.begin() + static_cast<std::ptrdiff_t>(done + n));
        const Status s = d.append(part, chunk);
        EXPECT_TRUE(s.ok()) << message_of(s);
        done += n;
        if (save_every > 0 && round % static_cast<size_t>(save_every) == 0) {
          const std::string path = temporary_path("same-save");
          EXPECT_TRUE(d.save(path).ok());
          d.m = std::move(Driver::load(path, shape).value());
          ::unlink(path.c_str());
        }
        if (fork_at > 0 && parent == nullptr && done >= static_cast<size_t>(fork_at)) {
          Driver child = d.fork();
          parent = std::make_unique<Driver>(std::move(d));
          d = std::move(child);
          EXPECT_TRUE(parent->append({" other", " text"}, 1).ok());
        }
      }
      d.check("run");
      return std::pair(d.m->retention(), log_of(*d.m));
    };
    const auto whole = run(512, 700, 0, 0);
    EXPECT_GT(whole.second.size(), 100u);
    const std::string which = options.policy + " cold " + std::to_string(static_cast<int>(cold));
    EXPECT_EQ(whole, run(512, 700, 0, 0)) << which << " again";
    EXPECT_EQ(whole, run(1, 700, 0, 0)) << which << " chunk 1";
    EXPECT_EQ(whole, run(7, 700, 0, 0)) << which << " chunk 7";
    EXPECT_EQ(whole, run(33, 41, 0, 0)) << which << " pieces";
    EXPECT_EQ(whole, run(512, 29, 8, 0)) << which << " saved";
    EXPECT_EQ(whole, run(512, 50, 0, 333)) << which << " fork";
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, EveryPolicy, testing::ValuesIn(evicting_policies()), [](const auto& p) {
  std::string name = p.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(KvMemory, TheFullPolicySaysThatItIsFull) {
  KvOptions options;
  options.policy = "full";
  options.budget = 40;
  Driver d = Driver::make(tiny_shape(100), options);
  Prose prose(1);
  ASSERT_TRUE(d.append(prose.take(40), 7).ok());
  const Status s = d.append(prose.take(1), 7);
  ASSERT_FALSE(s.ok());
  EXPECT_EQ("the KV budget of 40 tokens is full and the policy 'full' never evicts", s.error().message);
  d.check("full");
}

}  // namespace
}  // namespace kedge::memory
