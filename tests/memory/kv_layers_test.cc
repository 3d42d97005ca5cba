// Layers that are not all alike: windows that let go of what is behind them, and states that recur. What holds for
// tables that keep all of the text holds beside them.
#include <deque>
#include <optional>

#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

KvShape shape_of(std::vector<KvLayer> layers, int64_t state_floats, int n_ctx = 1000) {
  KvShape shape{{KvFormat::kF32, 4, 4}, static_cast<int>(layers.size()), 0, n_ctx};
  shape.layers = std::move(layers);
  shape.window_layout = {KvFormat::kF32, 8, 4};
  shape.state_floats = state_floats;
  return shape;
}

std::shared_ptr<KvArena> arena_for(const KvShape& shape, int sequences) {
  return KvArena::create(shape, shape.pages_for(shape.n_ctx) * static_cast<size_t>(sequences)).value();
}

std::string where_is(uint64_t seed, int round, const KvOptions& o) {
  return "seed " + std::to_string(seed) + " round " + std::to_string(round) + " " + o.policy + " " +
         std::to_string(o.budget);
}

TEST(KvLayers, TablesInOrder) {
  const KvShape shape = shape_of({{2, 0}, {3, 40}, {0, 0}, {1, 0}, {2, 70}}, 10);
  EXPECT_EQ(3, shape.n_tables());
  EXPECT_EQ(5, shape.n_windowed());
  const Driver d = Driver::make(shape, {});
  const KvSequence& s = d.m->sequence();
  EXPECT_EQ(5, s.n_layers());
  EXPECT_EQ(3, s.n_tables());
  EXPECT_EQ(8, s.n_all_tables());
  EXPECT_EQ(1, s.table_of(0, 1));
  EXPECT_EQ(2, s.table_of(3, 0));
  EXPECT_EQ(5, s.table_of(1, 2));
  EXPECT_EQ(6, s.table_of(4, 0));
  EXPECT_EQ(4, s.layout_of(2).head_dim_k);
  EXPECT_EQ(8, s.layout_of(3).head_dim_k);
  EXPECT_EQ(s.arena().page_bytes(), s.layout_of(3).page_bytes()) << "the larger one";
}

// The same tokens in steps of any sizes, with steps that are dropped, copies, waiting in a file, files and checkpoints
// in between: the same memory, and every page of the arena is accounted for.
TEST(KvLayers, WhateverHappensInBetween) {
  for (uint64_t seed = 0; seed < 80; ++seed) {
    Dice dice(seed + 4000);
    const KvShape shape = mixed_shape(dice, 700, dice.one_in(4) ? KvFormat::kQ8_0 : KvFormat::kF32);
    const KvOptions options = random_options(dice, shape);
    Driver plain = Driver::make(shape, options);
    const auto arena = arena_for(shape, 8);
    std::optional<Driver> d(Driver::make(shape, options, arena));
    SpillFile file = std::move(SpillFile::create(testing::TempDir(), *arena).value());
    const std::string path = temporary_path("layers");
    Prose prose(seed, 4);
    Prose astray(seed + 500, 3);
    std::deque<Driver> others;
    for (int round = 0; round < 16; ++round) {
      const std::string where = where_is(seed, round, options);
      const int left = 700 - plain.m->sequence().next_position();
      const auto texts = prose.take(std::min(1 + dice.below(70), left));
      ASSERT_TRUE(plain.append(texts, 1 + dice.below(100)).ok()) << where;
      const size_t needed = d->m->pages_needed(static_cast<int>(texts.size()));
      const size_t in_use = arena->pages_in_use();
      ASSERT_TRUE(d->append(texts, 1 + dice.below(100)).ok()) << where;
      ASSERT_LE(arena->pages_in_use(), in_use + needed) << where;
      switch (dice.below(7)) {
        case 0: {  // a step that stops half way; an eviction that was due stays
          const std::vector<std::string_view> views(20, " odd");
          const int wanted = 1 + dice.below(20);
          for (Driver* one : {&*d, &plain}) {
            one->during([&] {
              auto step = KvStep::begin(*one->m, views, wanted, one->team);
              if (step.ok() && one != &plain) one->run(*step, dice.below(step->n() + 1));
              if (step.ok()) step->retract();
            });
          }
          break;
        }
        case 1:
          others.push_back(d->fork());
          std::swap(*d, others.back());
          break;
        case 2:
          ASSERT_TRUE(d->m->swap_out(file).ok());
          ASSERT_EQ(0u, d->m->sequence().pages());
          ASSERT_TRUE(d->m->swap_in().ok());
          ASSERT_EQ(0u, file.bytes());
          break;
        case 3: {
          ASSERT_TRUE(d->save(path).ok());
          auto in = ByteReader::open(path);
          ASSERT_TRUE(in.ok());
          auto loaded = read_memory(*in, shape, reference_kernels(),
                                    options.cold_path.empty() ? "" : options.cold_path + "2", arena);
          ASSERT_TRUE(loaded.ok()) << loaded.error().message;
          ASSERT_EQ(0u, in->left());
          Driver copy(std::move(loaded).value());
          copy.follow(*d);
          std::swap(*d, copy);
          break;
        }
        case 4: {
          const auto checkpoint = d->m->checkpoint();
          ASSERT_TRUE(checkpoint.ok());
          Driver before(nullptr);
          before.follow(*d);
          ++d->fillings;
          const int more = std::min(dice.below(120), 700 - d->m->sequence().next_position());
          ASSERT_TRUE(d->append(astray.take(more), 1 + dice.below(40)).ok());
          if (dice.one_in(3)) {
            ASSERT_TRUE(d->m->swap_out(file).ok());
            ASSERT_TRUE(d->m->swap_in().ok());
          }
          ASSERT_TRUE(d->m->rollback(*checkpoint).ok());
          d->follow(before);
          break;
        }
        case 5: {  // a copy that is kept, and gone back to
          const auto kept = d->m->freeze();
          ASSERT_TRUE(kept.ok());
          Driver before(nullptr);
          before.follow(*d);
          ++d->fillings;
          ASSERT_TRUE(d->append(astray.take(std::min(90, 700 - d->m->sequence().next_position())), 33).ok());
          ASSERT_TRUE(d->m->become(**kept).ok());
          d->follow(before);
          break;
        }
        default:
          break;
      }
      if (others.size() > 2) others.pop_front();
      ASSERT_EQ(fingerprint(*plain.m), fingerprint(*d->m)) << where;
      d->check(where);
      if (testing::Test::HasFatalFailure()) FAIL() << where;
      std::vector<const Driver*> live = {&*d};
      for (const Driver& o : others) live.push_back(&o);
      ASSERT_EQ(distinct_pages(live), arena->pages_in_use()) << where;
      ASSERT_LE(d->m->sequence().pages(), shape.pages_for(d->m->budget(), 700)) << where;
    }
    for (Driver& o : others) o.check("a copy");
    d.reset();
    others.clear();
    EXPECT_EQ(0u, arena->pages_in_use());
  }
}

// An arena with too few pages: nothing has changed, and with more of them the same comes of it.
TEST(KvLayers, AllOrNothing) {
  for (uint64_t seed = 0; seed < 80; ++seed) {
    Dice dice(seed + 6000);
    KvShape shape = mixed_shape(dice, 400);
    shape.step_tokens = 40;
    const auto arena = arena_for(shape, 2);
    Driver d = Driver::make(shape, {}, arena);
    Driver plain = Driver::make(shape, {});
    Prose prose(seed, 5);
    for (int round = 0; round < 8; ++round) {
      const auto texts = prose.take(1 + dice.below(40));
      const std::optional<Driver> fork = dice.one_in(2) ? std::optional<Driver>(d.fork()) : std::nullopt;
      std::vector<PageId> taken;
      const size_t free = arena->pages_total() - arena->pages_in_use();
      ASSERT_TRUE(arena->allocate(free, &taken).ok());
      const uint64_t before = fingerprint(*d.m);
      for (;;) {  // a page more and a page more
        const size_t in_use = arena->pages_in_use();
        auto step = KvStep::begin(*d.m, {}, static_cast<int>(texts.size()), d.team);
        if (step.ok()) break;
        ASSERT_EQ(ErrorCode::kCapacity, step.error().code);
        ASSERT_LT(0u, d.m->missing_pages());
        ASSERT_EQ(in_use, arena->pages_in_use());
        ASSERT_EQ(before, fingerprint(*d.m));
        for (size_t n = d.m->missing_pages(); n > 0; --n) {
          ASSERT_FALSE(taken.empty());
          arena->release(taken.back());
          taken.pop_back();
        }
      }
      for (const PageId page : taken) arena->release(page);
      ASSERT_TRUE(d.append(texts, 40).ok());
      ASSERT_TRUE(plain.append(texts, 40).ok());
      ASSERT_EQ(fingerprint(*plain.m), fingerprint(*d.m)) << seed;
      d.check("seed " + std::to_string(seed));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(KvLayers, WindowsFreeMemory) {
  KvShape shape = shape_of({{1, 0}, {2, 64}, {2, 64}}, 0, 1 << 16);
  shape.step_tokens = 32;
  Driver d = Driver::make(shape, {});
  const std::vector<std::string> texts(1 << 12, " x");
  ASSERT_TRUE(d.append(texts, 32).ok());
  const KvArena& arena = d.m->sequence().arena();
  EXPECT_EQ(4096u / 32 + 4 * 2, arena.pages_in_use());
  EXPECT_LT(d.m->sequence().windows().metadata_bytes(), 4 * 32 * sizeof(void*)) << "nor do places grow with the text";
  d.check("long");
}

TEST(KvLayers, GoingBack) {
  {
    Driver d = Driver::make(shape_of({{1, 0}, {1, 40}}, 0), {});
    ASSERT_TRUE(d.append(Prose(1).take(200), 20).ok());
    // The row at 200 sees from 161 on, of page 5; one at 199 from 160 on, the same page.
    EXPECT_TRUE(d.m->can_truncate(199));
    EXPECT_FALSE(d.m->can_truncate(198));
    EXPECT_TRUE(d.m->can_truncate(0));
    EXPECT_TRUE(d.m->can_truncate(200));
    EXPECT_EQ("KV memory: it cannot go back from 200 tokens to 198: windows have let go of what was seen there",
              message_of(d.truncate(198)));
    ASSERT_TRUE(d.truncate(199).ok());
    d.check("199");
    ASSERT_TRUE(d.append(Prose(2).take(3), 20).ok());
    d.check("202");
    ASSERT_TRUE(d.truncate(0).ok());
    EXPECT_EQ(0u, d.m->sequence().arena().pages_in_use());
    ASSERT_TRUE(d.append(Prose(3).take(60), 20).ok());
    d.check("60");
  }
  Driver d = Driver::make(shape_of({{1, 0}, {0, 0}}, 100), {});
  ASSERT_TRUE(d.append(Prose(1).take(50), 20).ok());
  EXPECT_FALSE(d.m->can_truncate(49));
  EXPECT_EQ("KV memory: it cannot go back from 50 tokens to 49: a recurrent state has no way back",
            message_of(d.truncate(49)));
  d.check("50");
  ASSERT_TRUE(d.truncate(0).ok());
  ASSERT_TRUE(d.append(Prose(2).take(50), 20).ok());
  d.check("from zeros");
}

TEST(KvLayers, BeginningWithAnothersTokens) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Dice dice(seed + 8000);
    const KvShape shape = mixed_shape(dice, 500);
    KvOptions options = random_options(dice, shape);
    const auto arena = arena_for(shape, 6);
    Driver a = Driver::make(shape, options, arena);
    Prose prose(seed, 4);
    const auto texts = prose.take(20 + dice.below(200));
    ASSERT_TRUE(a.append(texts, 30).ok());
    Driver b = Driver::make(shape, options, arena);
    const int wanted = dice.one_in(2) ? a.m->sequence().next_position() : dice.below(a.m->sequence().next_position());
    const int n = b.m->usable(*a.m, wanted);
    ASSERT_TRUE(n == 0 || a.m->can_truncate(n));
    if (n == 0) continue;
    const std::vector<std::string_view> views(texts.begin(), texts.begin() + n);
    ASSERT_TRUE(b.m->begin_with(*a.m, n, views).ok());
    b.salt.assign(static_cast<size_t>(n), 0);
    b.check("begun");
    Driver anew = Driver::make(shape, options);
    ASSERT_TRUE(anew.append({texts.begin(), texts.begin() + n}, 17).ok());
    const auto more = prose.take(100);
    ASSERT_TRUE(b.append(more, 23).ok());
    ASSERT_TRUE(anew.append(more, 31).ok());
    ASSERT_EQ(fingerprint(*anew.m), fingerprint(*b.m)) << seed << " " << n;
    b.check("gone on");
    a.check("the other");
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(KvLayers, NothingThatCouldLeave) {
  const KvShape shape = shape_of({{0, 0}, {1, 48}, {0, 0}}, 64, 200);
  KvOptions options;
  options.budget = 100;
  auto refused = KvMemory::create(shape, options, reference_kernels());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(ErrorCode::kInvalidArgument, refused.error().code);
  EXPECT_NE(std::string::npos, refused.error().message.find("a budget of 100 tokens has nothing to act on"));
  options.budget = 200;
  Driver d = Driver::make(shape, options);
  ASSERT_TRUE(d.append(Prose(1).take(200), 64).ok());
  d.check("full");
  EXPECT_EQ(200u, d.m->hot_positions().size());
  EXPECT_TRUE(d.m->gone_runs().empty());
  const auto full = KvStep::begin(*d.m, {}, 1, d.team);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ("context full: 200 tokens are in the cache, which holds 200", full.error().message);
  const KvShape only_state = shape_of({{0, 0}}, 5000, 100);
  Driver e = Driver::make(only_state, {});
  ASSERT_TRUE(e.append(Prose(2).take(100), 64).ok());
  e.check("a state alone");
  EXPECT_EQ(only_state.state_pages(), e.m->sequence().pages());
  EXPECT_EQ(20000u / 4096 + 1, e.m->sequence().pages());
}

// States are paid for in pages: what is taken is never more than what there is, and what one gives back others get.
TEST(KvLayers, StatesArePaidForInPages) {
  const KvShape shape = shape_of({{1, 0}}, 1000, 100);  // 4000 bytes; pages of 1024
  ASSERT_EQ(4u, shape.state_pages());
  std::shared_ptr<KvArena> arena = KvArena::create(shape, 24).value();
  std::vector<Driver> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(Driver::make(shape, {}, arena));
    ASSERT_TRUE(all.back().append(Prose(1).take(10), 5).ok());
    EXPECT_EQ(static_cast<size_t>(5 * (i + 1)), arena->pages_in_use());
  }
  std::vector<PageId> pages;
  ASSERT_TRUE(arena->allocate(1, &pages).ok()) << "what paid for states pays for pages";
  auto none = KvStep::begin(*all[0].m, {}, 1, all[0].team);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(1u, all[0].m->missing_pages());
  EXPECT_EQ("KV arena full: 4 pages needed, 3 of 24 free", none.error().message);
  all.pop_back();
  ASSERT_TRUE(all[0].append(Prose(2).take(10), 5).ok());
  ASSERT_TRUE(arena->allocate(8, &pages).ok()) << "and pages pay for states again";
  EXPECT_EQ(24u, arena->pages_in_use());
  for (Driver& d : all) d.check("still");
  for (const PageId page : pages) arena->release(page);
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(all[static_cast<size_t>(i % 3)].append(Prose(3).take(1), 1).ok());
    EXPECT_GE(18u, arena->pages_in_use());
  }
  for (Driver& d : all) d.check("later");
}

// From the beginning: as if nothing had ever happened.
TEST(KvLayers, Anew) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Dice dice(seed + 7000);
    const KvShape shape = mixed_shape(dice, 500);
    const KvOptions options = random_options(dice, shape);
    const auto arena = arena_for(shape, 4);
    Driver d = Driver::make(shape, options, arena);
    Driver plain = Driver::make(shape, options);
    const uint64_t empty = fingerprint(*plain.m);
    const Segment s{.first = 3, .last = 20, .pin = Pin::kSoft, .source_id = "once"};
    ASSERT_TRUE(d.m->add_segments({&s, 1}).ok());
    ASSERT_TRUE(d.append(Prose(seed + 1, 3).take(1 + dice.below(400)), 32).ok());
    const auto beginning = d.m->anew();
    ASSERT_TRUE(beginning.ok()) << beginning.error().message;
    ASSERT_TRUE(d.m->become(**beginning).ok());
    EXPECT_EQ(empty, fingerprint(*d.m));
    EXPECT_EQ(plain.m->origin(), d.m->origin());
    EXPECT_EQ(0u, arena->pages_in_use());
    Driver again(std::move(d.m));
    Prose prose(seed, 3);
    const auto texts = prose.take(300);
    ASSERT_TRUE(plain.append(texts, 20).ok());
    ASSERT_TRUE(again.append(texts, 45).ok());
    EXPECT_EQ(fingerprint(*plain.m), fingerprint(*again.m));
    again.check("again");
    if (testing::Test::HasFatalFailure()) return;
    Driver other = Driver::make(shape, options, arena);
    EXPECT_FALSE(other.m->become(**beginning).ok()) << "of another sequence";
  }
}

// Latents that are keys and values in one: everything that moves tokens moves them, to a cold tier of another type too.
TEST(KvLayers, ValuesInKeys) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Dice dice(seed + 9000);
    const KvFormat format = dice.one_in(2) ? KvFormat::kQ8_0 : KvFormat::kF32;
    KvShape shape = tiny_shape(900, 1 + dice.below(2), 1, format);
    shape.layout.head_dim_k *= 2;
    shape.layout.v_in_k = true;
    ASSERT_EQ(KvLayout::matrix_bytes(format, shape.layout.head_dim_k), shape.layout.page_bytes());
    KvOptions options = random_options(dice, shape);
    options.budget = 48 + dice.below(40);
    if (is_quantised(format) && dice.one_in(2)) options.cold_format = KvFormat::kQ4_0;
    Driver plain = Driver::make(shape, options);
    Driver d = Driver::make(shape, options);
    const std::string path = temporary_path("latents");
    Prose prose(seed, 3);
    for (int round = 0; round < 8; ++round) {
      const auto texts = prose.take(1 + dice.below(90));
      ASSERT_TRUE(plain.append(texts, 16).ok());
      ASSERT_TRUE(d.append(texts, 1 + dice.below(40)).ok());
      ASSERT_EQ(fingerprint(*plain.m), fingerprint(*d.m)) << where_is(seed, round, options);
      d.check(where_is(seed, round, options));
      if (testing::Test::HasFatalFailure()) return;
    }
    if (options.cold == KvOptions::Cold::kFile) continue;
    ASSERT_TRUE(d.save(path).ok());
    const auto loaded = Driver::load(path, shape);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    EXPECT_EQ(fingerprint(*plain.m), fingerprint(**loaded));
    shape.layout.v_in_k = false;
    EXPECT_FALSE(KvMemory::create(shape, options, reference_kernels(), KvArena::create(d.m->shape(), 9).value()).ok());
  }
}

TEST(KvLayers, AnArenaOfOtherLayers) {
  const KvShape shape = shape_of({{1, 0}, {1, 40}}, 100);
  for (const int what : {0, 1, 2}) {
    KvShape other = shape;
    if (what == 0) other.layout.head_dim_v = 8;
    if (what == 1) other.window_layout.head_dim_k = 4;
    if (what == 2) other.state_floats = 101;
    auto made = KvMemory::create(other, {}, reference_kernels(), arena_for(shape, 1));
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(ErrorCode::kInvalidArgument, made.error().code);
  }
}

// A file that is cut short or changed is refused: its checksum says so; and one of other layers is.
TEST(KvLayers, FilesOfOtherLayers) {
  const KvShape shape = shape_of({{1, 0}, {1, 40}}, 100);
  Driver d = Driver::make(shape, {});
  ASSERT_TRUE(d.append(Prose(1).take(90), 20).ok());
  const std::string path = temporary_path("other-layers");
  ASSERT_TRUE(d.save(path).ok());
  auto same = Driver::load(path, shape);
  ASSERT_TRUE(same.ok()) << same.error().message;
  EXPECT_EQ(fingerprint(*d.m), fingerprint(**same));
  for (const int what : {0, 1}) {
    KvShape other = shape;
    if (what == 0) other.state_floats = 116;
    if (what == 1) other.layers[1].window = 0;
    const auto loaded = Driver::load(path, other);
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(ErrorCode::kCorrupt, loaded.error().code);
  }
}

}  // namespace
}  // namespace kedge::memory
