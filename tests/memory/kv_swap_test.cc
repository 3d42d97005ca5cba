// Sequences that wait in a file, and many sequences in an arena that is too small for them: each is what it is alone.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

SpillFile spill_file(const Driver& d) {
  return std::move(SpillFile::create(testing::TempDir(), d.m->sequence().arena()).value());
}

TEST(KvSwap, EverythingAfterIsTheSame) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Dice dice(seed + 900);
    const KvShape shape = tiny_shape(1000, 1 + dice.below(2), 1 + dice.below(2));
    const KvOptions options = random_options(dice, shape);
    Driver plain = Driver::make(shape, options);
    Driver swapped = Driver::make(shape, options);
    SpillFile file = spill_file(swapped);
    Prose prose(seed, 4);
    for (int round = 0; round < 12; ++round) {
      const auto texts = prose.take(1 + dice.below(70));
      ASSERT_TRUE(plain.append(texts, 20).ok());
      ASSERT_TRUE(swapped.append(texts, 20).ok());
      if (dice.one_in(2)) continue;
      const size_t pages = swapped.m->sequence().pages();
      ASSERT_TRUE(swapped.m->swap_out(file).ok());
      EXPECT_TRUE(swapped.m->swapped_out());
      EXPECT_EQ(0u, swapped.m->sequence().arena().pages_in_use());
      EXPECT_EQ(pages * swapped.m->sequence().arena().page_bytes(), file.bytes());
      EXPECT_EQ(pages, swapped.m->pages_needed(0));
      EXPECT_EQ(plain.m->retention(), swapped.m->retention());
      EXPECT_EQ(plain.m->hot_positions(), swapped.m->hot_positions());
      ASSERT_TRUE(swapped.m->swap_in().ok());
      ASSERT_TRUE(swapped.m->swap_in().ok()) << "it is there";
      EXPECT_EQ(0u, file.bytes());
      ASSERT_EQ(fingerprint(*plain.m), fingerprint(*swapped.m)) << seed << " " << options.policy;
      EXPECT_EQ(plain.m->origin(), swapped.m->origin());
      swapped.check("swapped in");
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(KvSwap, WhileItWaitsNothingElseCanBeDone) {
  KvOptions options;
  options.budget = 48;
  options.cold = KvOptions::Cold::kRam;
  Driver d = Driver::make(tiny_shape(500), options);
  ASSERT_TRUE(d.append(Prose(3).take(100), 20).ok());
  const auto checkpoint = d.m->checkpoint();
  SpillFile file = spill_file(d);
  ASSERT_TRUE(d.m->swap_out(file).ok());
  const auto refused = [](const auto& result) {
    return !result.ok() && result.error().code == ErrorCode::kInvalidArgument &&
           result.error().message == "KV memory: the sequence is swapped out";
  };
  EXPECT_TRUE(refused(KvStep::begin(*d.m, {}, 8, d.team)));
  EXPECT_TRUE(refused(d.m->truncate(10, d.team)));
  EXPECT_TRUE(refused(d.m->recall(0, 4, d.team)));
  EXPECT_TRUE(refused(d.m->fork()));
  EXPECT_TRUE(refused(d.m->freeze()));
  EXPECT_TRUE(refused(d.m->rollback(*checkpoint)));
  EXPECT_TRUE(refused(d.m->swap_out(file)));
  EXPECT_TRUE(refused(d.save(temporary_path("away"))));
  d.m.reset();
  EXPECT_EQ(0u, file.bytes()) << "what nobody comes back for is free";
}

TEST(KvSwap, SharedPagesBecomeCopiesOfItsOwn) {
  const KvShape shape = tiny_shape(500, 1, 2);
  std::shared_ptr<KvArena> arena = KvArena::create(shape.layout, 16).value();
  Driver a = Driver::make(shape, {}, arena);
  ASSERT_TRUE(a.append(Prose(3).take(100), 20).ok());
  Driver b = a.fork();
  EXPECT_EQ(8u, arena->pages_in_use());
  SpillFile file = spill_file(b);
  ASSERT_TRUE(b.m->swap_out(file).ok());
  EXPECT_EQ(8u, arena->pages_in_use()) << "a has them still";
  ASSERT_TRUE(b.m->swap_in().ok());
  EXPECT_EQ(16u, arena->pages_in_use());
  EXPECT_EQ(fingerprint(*a.m), fingerprint(*b.m));
  ASSERT_TRUE(b.m->swap_out(file).ok());
  Driver c = Driver::make(shape, {}, arena);
  ASSERT_TRUE(c.append(Prose(3).take(30), 20).ok());
  const Status none = b.m->swap_in();
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(ErrorCode::kCapacity, none.error().code);
  EXPECT_EQ(2u, b.m->missing_pages());
  EXPECT_EQ(10u, arena->pages_in_use()) << "all or none";
  ASSERT_TRUE(c.truncate(0).ok());
  ASSERT_TRUE(b.m->swap_in().ok());
  EXPECT_EQ(fingerprint(*a.m), fingerprint(*b.m));
}

TEST(KvSwap, AFolderThatIsNone) {
  const Driver d = Driver::make(tiny_shape(100), {});
  const auto none = SpillFile::create("/nowhere/at/all", d.m->sequence().arena());
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(ErrorCode::kIo, none.error().code);
  EXPECT_EQ(0u, none.error().message.find("KV spill file: cannot create /nowhere/at/all/kedge-"));
}

// The descriptor of the file that has no name any more.
int spill_descriptor() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.find("/kedge-") != std::string::npos && target.find("(deleted)") != std::string::npos) {
      return std::stoi(entry.path().filename().string());
    }
  }
  return -1;
}

TEST(KvSwap, AChangedByteIsFoundAndAShortFileToo) {
  Driver d = Driver::make(tiny_shape(500), {});
  ASSERT_TRUE(d.append(Prose(3).take(100), 20).ok());
  const uint64_t before = fingerprint(*d.m);
  SpillFile file = spill_file(d);
  ASSERT_TRUE(d.m->swap_out(file).ok());
  const int fd = spill_descriptor();
  ASSERT_GE(fd, 0);
  char byte = 0;
  ASSERT_EQ(1, ::pread(fd, &byte, 1, 3000));
  const char other = static_cast<char>(byte ^ 4);
  ASSERT_EQ(1, ::pwrite(fd, &other, 1, 3000));
  Status in = d.m->swap_in();
  ASSERT_FALSE(in.ok());
  EXPECT_EQ(ErrorCode::kCorrupt, in.error().code);
  EXPECT_NE(std::string::npos, in.error().message.find("checksum of page 2 of 8")) << in.error().message;
  EXPECT_EQ(0u, d.m->sequence().arena().pages_in_use());
  EXPECT_EQ(0u, d.m->missing_pages());
  ASSERT_EQ(1, ::pwrite(fd, &byte, 1, 3000));
  const off_t size = ::lseek(fd, 0, SEEK_END);
  std::vector<char> tail(100);
  ASSERT_EQ(100, ::pread(fd, tail.data(), 100, size - 100));
  ASSERT_EQ(0, ::ftruncate(fd, size - 100));
  in = d.m->swap_in();
  ASSERT_FALSE(in.ok());
  EXPECT_EQ(ErrorCode::kIo, in.error().code);
  EXPECT_NE(std::string::npos, in.error().message.find("shorter")) << in.error().message;
  ASSERT_EQ(100, ::pwrite(fd, tail.data(), 100, size - 100));
  ASSERT_TRUE(d.m->swap_in().ok());
  EXPECT_EQ(before, fingerprint(*d.m));
}

// In a child whose files may not grow beyond two pages and a half. Exit codes tell what went wrong.
int with_full_disk() {
  std::signal(SIGXFSZ, SIG_IGN);
  Driver d = Driver::make(tiny_shape(500), {});
  if (!d.append(Prose(3).take(100), 20).ok()) return 2;
  const uint64_t before = fingerprint(*d.m);
  SpillFile file = spill_file(d);
  const size_t page = d.m->sequence().arena().page_bytes();
  const rlimit limit{2 * page + page / 2, 2 * page + page / 2};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 3;
  const Status out = d.m->swap_out(file);
  if (out.ok() || out.error().code != ErrorCode::kIo) return 4;
  if (out.error().message.find("/kedge-") == std::string::npos) return 5;
  if (d.m->swapped_out() || fingerprint(*d.m) != before || file.bytes() != 0) return 6;
  return d.append(Prose(4).take(50), 20).ok() ? 0 : 7;
}

TEST(KvSwap, AFullDiskChangesNothing) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(with_full_disk());
  int status = 0;
  ASSERT_EQ(child, ::waitpid(child, &status, 0));
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(0, WEXITSTATUS(status));
}

// --- Many sequences in an arena that is too small -------------------------------------------------------------------

struct Stream {
  KvOptions options;
  std::vector<std::string> texts;
  size_t done = 0;
  std::unique_ptr<Driver> d;
};

// What a scheduler does: steps of several sequences open at once; who finds no pages makes another one wait.
class Crowd {
 public:
  Crowd(std::vector<Stream>& streams, SpillFile& file, Dice& dice) : streams_(streams), file_(file), dice_(dice) {}

  void round() {
    std::vector<std::pair<Stream*, KvStep>> open;
    for (Stream& s : streams_) {
      if (s.done == s.texts.size() || dice_.one_in(3)) continue;
      const size_t n = std::min(s.texts.size() - s.done, static_cast<size_t>(1 + dice_.below(40)));
      const auto from = s.texts.begin() + static_cast<std::ptrdiff_t>(s.done);
      views_.emplace_back(from, from + static_cast<std::ptrdiff_t>(n));
      while (true) {
        if (s.d->m->swapped_out() && !with_room(s, [&] { return s.d->m->swap_in(); })) break;
        auto step = KvStep::begin(*s.d->m, views_.back(), static_cast<int>(n), s.d->team);
        if (step.ok()) {
          open.emplace_back(&s, std::move(*step));
          break;
        }
        ASSERT_GT(s.d->m->missing_pages(), 0u) << step.error().message;
        if (!make_wait(s, open)) break;  // all others have a step open: later
      }
    }
    while (!open.empty()) {  // in any order
      std::swap(open[static_cast<size_t>(dice_.below(static_cast<int>(open.size())))], open.back());
      auto& [s, step] = open.back();
      if (dice_.one_in(8)) {
        step.retract();
      } else {
        s->d->run(step, step.n());
        s->done += static_cast<size_t>(step.n());
        s->d->salt.resize(s->done);
        // Often the last pages are somebody else's just now.
        KvArena& arena = s->d->m->sequence().arena();
        std::vector<PageId> held;
        const size_t free = dice_.one_in(2) ? arena.pages_total() - arena.pages_in_use() : 0;
        EXPECT_TRUE(arena.allocate(free, &held).ok());
        const Status done = step.commit(s->d->team);
        for (const PageId page : held) arena.release(page);
        ASSERT_TRUE(done.ok() || s->d->m->missing_pages() > 0) << done.error().message;
      }
      open.pop_back();
    }
    views_.clear();
  }
  // What is under way comes to its end, with nobody in the way.
  void finish(Stream& s) {
    ASSERT_TRUE(!s.d->m->swapped_out() || with_room(s, [&] { return s.d->m->swap_in(); }));
    ASSERT_TRUE(with_room(s, [&] { return s.d->m->settle(s.d->team); }));
  }
  int waited = 0;

 private:
  template <class F>
  bool with_room(Stream& s, F&& f) {
    while (true) {
      const Status done = f();
      if (done.ok()) return true;
      EXPECT_GT(s.d->m->missing_pages(), 0u) << done.error().message;
      if (s.d->m->missing_pages() == 0 || !make_wait(s, {})) return false;
    }
  }
  bool make_wait(const Stream& s, const std::vector<std::pair<Stream*, KvStep>>& open) {
    std::vector<Stream*> others;
    for (Stream& o : streams_) {
      const bool busy = std::any_of(open.begin(), open.end(), [&](const auto& x) { return x.first == &o; });
      if (&o != &s && !busy && !o.d->m->swapped_out() && o.d->m->sequence().pages() > 0) others.push_back(&o);
    }
    if (others.empty()) return false;
    Stream& chosen = *others[static_cast<size_t>(dice_.below(static_cast<int>(others.size())))];
    const Status out = chosen.d->m->swap_out(file_);
    // Of one that a step of this round needs, or of views that were made before: all the same.
    EXPECT_TRUE(out.ok() || out.error().code == ErrorCode::kInvalidArgument) << out.error().message;
    ++waited;
    return out.ok();
  }

  std::vector<Stream>& streams_;
  SpillFile& file_;
  Dice& dice_;
  std::deque<std::vector<std::string_view>> views_;
};

TEST(SharedArena, EverySequenceIsWhatItIsAlone) {
  int waited = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Dice dice(seed + 5);
    const KvShape shape = tiny_shape(400, 1, 1 + dice.below(2));
    const auto tables = static_cast<size_t>(shape.n_kv_heads);
    const bool tight = seed % 2 == 1;  // budgets only, and hardly room for one of them
    std::shared_ptr<KvArena> arena =
        KvArena::create(shape.layout, tables * static_cast<size_t>(tight ? 6 + dice.below(3) : 13 + dice.below(8)))
            .value();
    std::vector<Stream> streams;
    for (int i = 0; i < 5; ++i) {
      Stream s;
      do {
        s.options = random_options(dice, shape);
      } while (tight && s.options.budget == 0);
      s.texts = Prose(seed * 10 + static_cast<uint64_t>(i), 3).take(60 + dice.below(330));
      if (i == 0 || dice.one_in(2)) {
        s.d = std::make_unique<Driver>(Driver::make(shape, s.options, arena));
      } else {  // goes on where another one has begun: their pages are shared
        Stream& first = streams.back();
        if (first.done == 0) {
          first.done = 60;
          ASSERT_TRUE(first.d->append({first.texts.begin(), first.texts.begin() + 60}, 7).ok());
        }
        s.options = first.options;
        s.d = std::make_unique<Driver>(first.d->fork());
        s.done = first.done;
        s.texts.insert(s.texts.begin(), first.texts.begin(), first.texts.begin() + static_cast<std::ptrdiff_t>(s.done));
        s.texts.resize(std::min<size_t>(s.texts.size(), 400));
      }
      streams.push_back(std::move(s));
    }
    SpillFile file = spill_file(*streams[0].d);
    Crowd crowd(streams, file, dice);
    const auto unfinished = [](const Stream& s) { return s.done < s.texts.size(); };
    for (int round = 0; std::any_of(streams.begin(), streams.end(), unfinished); ++round) {
      crowd.round();
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " round " << round;
      ASSERT_LT(round, 5000);
    }
    for (Stream& s : streams) {
      crowd.finish(s);
      if (testing::Test::HasFatalFailure()) return;
      Driver alone = Driver::make(shape, s.options);
      ASSERT_TRUE(alone.append(s.texts, 17).ok());
      ASSERT_EQ(fingerprint(*alone.m), fingerprint(*s.d->m))
          << "seed " << seed << " " << s.options.policy << " budget " << s.options.budget;
      EXPECT_EQ(alone.m->origin(), s.d->m->origin());
    }
    streams.clear();
    EXPECT_EQ(0u, arena->pages_in_use());
    EXPECT_EQ(0u, file.bytes());
    waited += crowd.waited;
  }
  EXPECT_GT(waited, 200);
}

// A recall that finds no pages goes on where it stopped, and nothing of it is visible before.
TEST(SharedArena, ARecallWaitsForPages) {
  const KvShape shape = tiny_shape(1000, 1, 1);
  KvOptions options;
  options.budget = 132;
  options.policy = "recency";
  options.cold = KvOptions::Cold::kRam;
  options.log = 1 << 10;
  Driver alone = Driver::make(shape, options);
  std::shared_ptr<KvArena> arena = KvArena::create(shape.layout, 5).value();
  Driver d = Driver::make(shape, options, arena);
  const auto texts = Prose(4).take(245);
  ASSERT_TRUE(alone.append(texts, 20).ok());
  ASSERT_TRUE(d.append(texts, 20).ok());
  std::unique_ptr<Driver> other = std::make_unique<Driver>(Driver::make(shape, {}, arena));
  while (arena->pages_in_use() < 5) ASSERT_TRUE(other->append(std::vector<std::string>(32), 32).ok());
  const int full = d.m->sequence().most_slots();
  const int n = 32 - full % 32 + 1;  // more than the last page has room for
  ASSERT_LT(full + n, 132) << "no eviction makes room for them";
  const auto none = d.m->recall(10, 10 + n, d.team);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(1u, d.m->missing_pages());
  EXPECT_FALSE(d.m->settled());
  EXPECT_EQ(fingerprint(*alone.m), fingerprint(*d.m));
  EXPECT_FALSE(d.m->settle(d.team).ok());
  EXPECT_FALSE(KvStep::begin(*d.m, {}, 1, d.team).ok());
  EXPECT_EQ(ErrorCode::kCapacity, d.save(temporary_path("waiting")).error().code);
  other.reset();
  ASSERT_TRUE(d.m->settle(d.team).ok());
  EXPECT_TRUE(d.m->settled());
  ASSERT_TRUE(alone.recall(10, 10 + n).ok());
  EXPECT_EQ(fingerprint(*alone.m), fingerprint(*d.m));
  const auto again = d.m->recall(10, 10 + n, d.team);  // the one that lacked pages says what it has done
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(n, again->recalled);
  EXPECT_EQ(0, again->missing);
  EXPECT_EQ(0, d.m->recall(10, 10 + n, d.team)->recalled) << "that was another one";
  EXPECT_EQ(fingerprint(*alone.m), fingerprint(*d.m));
}

// The same for what a step's text mentions: the tokens are there, what they name follows when it can.
TEST(SharedArena, WhatATextMentionsWaitsForPages) {
  const KvShape shape = tiny_shape(1000, 1, 1);
  KvOptions options;
  options.budget = 132;
  options.cold = KvOptions::Cold::kRam;
  options.anchor_cap = 0;
  options.anchor_margin = 0;
  options.anchor_detect = false;
  std::vector<Segment> segments;
  for (int i = 0; i < 20; ++i) {
    segments.push_back({.first = 10 + 5 * i,
                        .last = 12 + 5 * i,
                        .kind = SegmentKind::kReference,
                        .pin = Pin::kSoft,
                        .source_id = "kb/" + std::to_string(100 + i)});
  }
  int interrupted = 0;
  for (int n = 200; n < 260; ++n) {
    std::shared_ptr<KvArena> arena = KvArena::create(shape.layout, 6).value();
    Driver alone = Driver::make(shape, options);
    Driver d = Driver::make(shape, options, arena);
    std::vector<std::string> texts(static_cast<size_t>(n), " rain");
    for (Driver* both : {&alone, &d}) {
      ASSERT_TRUE(both->m->add_segments(segments).ok());
      ASSERT_TRUE(both->append(texts, 20).ok());
    }
    for (const auto& [id, a] : alone.m->index().anchors()) {
      if (a.cold == 2) texts = {" see", " " + a.at.source_id, " now", ".\n"};
    }
    ASSERT_EQ(4u, texts.size()) << "nothing has left";
    ASSERT_TRUE(alone.append(texts, 4).ok());
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    for (size_t done = 0; done < texts.size();) {
      auto step = KvStep::begin(*d.m, std::span(views).subspan(done), static_cast<int>(texts.size() - done), d.team);
      ASSERT_TRUE(step.ok()) << step.error().message;
      d.run(*step, step->n());
      done += static_cast<size_t>(step->n());
      std::vector<PageId> held;
      ASSERT_TRUE(arena->allocate(arena->pages_total() - arena->pages_in_use(), &held).ok());
      const Status committed = step->commit(d.team);
      EXPECT_EQ(n + static_cast<int>(done), d.m->sequence().next_position());
      if (!committed.ok()) {
        ++interrupted;
        EXPECT_EQ(1u, d.m->missing_pages()) << committed.error().message;
        const uint64_t before = fingerprint(*d.m);
        EXPECT_FALSE(d.m->settle(d.team).ok());
        EXPECT_EQ(before, fingerprint(*d.m));
      }
      for (const PageId page : held) arena->release(page);
    }
    ASSERT_TRUE(d.m->settle(d.team).ok());
    EXPECT_EQ(fingerprint(*alone.m), fingerprint(*d.m)) << n;
    EXPECT_EQ(alone.m->origin(), d.m->origin());
  }
  EXPECT_GT(interrupted, 5);
}

}  // namespace
}  // namespace kedge::memory
