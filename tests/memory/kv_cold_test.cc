// The cold tier: what goes in comes out, what does not fit is told, what is broken is found, and a disk that is full
// loses nothing.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

constexpr KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8_0, KvFormat::kQ4_0};

// A sequence of n tokens in two tables, with values that tell them apart.
KvSequence filled(const KvLayout& layout, int n) {
  std::shared_ptr<KvArena> arena = KvArena::create(layout, KvSequence::pages_for(1, 2, 4 * n)).value();
  KvSequence s(arena, 1, 2, 4 * n);
  EXPECT_TRUE(s.reserve(n).ok());
  for (int t = 0; t < 2; ++t) {
    for (int i = 0; i < n; ++i) {
      float k[kMaxHeadDim], v[kMaxHeadDim];
      for (int d = 0; d < layout.head_dim_k; ++d) k[d] = unit(static_cast<uint64_t>(t * 99991 + i * 512 + d)) - 0.5f;
      for (int d = 0; d < layout.head_dim_v; ++d) v[d] = unit(static_cast<uint64_t>(t * 77773 + i * 700 + d)) * 3;
      reference_kernels().kv_store(layout, s.page_for_write(t, i), i % kPageTokens, k, v);
    }
  }
  s.commit(n);
  return s;
}

std::vector<float> slot_of(const KvSequence& s, int table, int slot) {
  const KvLayout& layout = s.layout();
  std::vector<float> both(static_cast<size_t>(layout.head_dim_k + layout.head_dim_v));
  kv_load(layout, s.table(table)[slot / kPageTokens], slot % kPageTokens, both.data(), both.data() + layout.head_dim_k);
  return both;
}

Status put(ColdStore& store, const KvSequence& s, int32_t position, std::vector<int32_t>* lost, bool anchored = false) {
  const std::vector<int32_t> slots(2, position);
  return store.put(position, anchored, s, slots, reference_kernels(), lost);
}

// Where `position` comes out, behind everything that is there.
Result<int> get(const ColdStore& store, KvSequence& s, int32_t position) {
  KEDGE_TRY(s.reserve(1));
  const int slot = s.slots(0);
  const std::vector<int32_t> slots(2, slot);
  KEDGE_TRY(store.get(position, s, slots, reference_kernels()));
  s.commit(1);
  return slot;
}

size_t block_of(const KvLayout& layout) { return ColdStore::create(layout, 2, 1 << 30, "").value().block_bytes(); }

TEST(ColdStore, EveryPairOfFormatsComesBack) {
  constexpr double kStep[] = {0, 0, 1.0 / 127, 1.0 / 7};  // of the largest value, half of it by rounding
  for (const KvFormat hot : kFormats) {
    for (const KvFormat cold : kFormats) {
      for (const bool in_file : {false, true}) {
        const KvLayout layout{hot, 32, 64};
        KvLayout cold_layout = layout;
        cold_layout.format = cold;
        KvSequence s = filled(layout, 70);
        auto store = ColdStore::create(cold_layout, 2, 1 << 20, in_file ? temporary_path("pair") : "").value();
        std::vector<int32_t> lost;
        for (int p = 0; p < 70; ++p) ASSERT_TRUE(put(store, s, p, &lost, p % 3 == 0).ok());
        EXPECT_TRUE(lost.empty());
        EXPECT_EQ(70u, store.tokens());
        for (int p = 69; p >= 0; --p) {
          const auto slot = get(store, s, p);
          ASSERT_TRUE(slot.ok()) << slot.error().message;
          for (int t = 0; t < 2; ++t) {
            const auto want = slot_of(s, t, p);
            const auto got = slot_of(s, t, *slot);
            if (hot == cold) {
              ASSERT_EQ(want, got);
              continue;
            }
            const double step = kStep[static_cast<int>(cold)] + kStep[static_cast<int>(hot)] + 1e-3;
            for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(want[i], got[i], 3.0 * step) << i;
          }
        }
      }
    }
  }
}

TEST(ColdStore, TheOldestPlainBlockGoesFirstAndIsReported) {
  const KvLayout layout{KvFormat::kF32, 4, 4};
  KvSequence s = filled(layout, 400);
  auto store = ColdStore::create(layout, 2, 3 * block_of(layout), "").value();
  std::vector<int32_t> lost;
  for (int p = 0; p < 32; ++p) ASSERT_TRUE(put(store, s, p, &lost, true).ok());  // anchored: the oldest block
  for (int p = 32; p < 96; ++p) ASSERT_TRUE(put(store, s, p, &lost).ok());
  EXPECT_TRUE(lost.empty());
  EXPECT_EQ(3 * block_of(layout), store.bytes());
  store.drop(40);
  ASSERT_TRUE(put(store, s, 96, &lost).ok());
  std::vector<int32_t> want;
  for (int p = 32; p < 64; ++p) {
    if (p != 40) want.push_back(p);
  }
  EXPECT_EQ(want, lost) << "plain before anchored, and not what had been dropped";
  EXPECT_TRUE(store.contains(0));
  EXPECT_FALSE(store.contains(33));
  EXPECT_EQ(32u + 32 + 1, store.tokens());
  lost.clear();
  for (int p = 97; p < 300; ++p) ASSERT_TRUE(put(store, s, p, &lost).ok());
  EXPECT_TRUE(store.contains(0));
  for (int p = 300; p < 396; ++p) ASSERT_TRUE(put(store, s, p, &lost, true).ok());
  EXPECT_FALSE(store.contains(0)) << "when there is no plain block left, the oldest anchored one";
  EXPECT_LE(store.bytes(), 3 * block_of(layout));
}

TEST(ColdStore, ABlockWithoutTokensIsFree) {
  const KvLayout layout{KvFormat::kF32, 4, 4};
  KvSequence s = filled(layout, 100);
  auto store = ColdStore::create(layout, 2, 10 * block_of(layout), "").value();
  for (int p = 0; p < 70; ++p) ASSERT_TRUE(put(store, s, p, nullptr).ok());
  store.drop_from(32);
  EXPECT_EQ(32u, store.tokens());
  EXPECT_EQ(2 * block_of(layout), store.bytes()) << "the full block is gone, the open one stays";
  ASSERT_TRUE(put(store, s, 50, nullptr).ok());
  const auto slot = get(store, s, 50);
  ASSERT_TRUE(slot.ok());
  EXPECT_EQ(slot_of(s, 0, 50), slot_of(s, 0, *slot));
}

TEST(ColdStore, TooSmallABudgetIsAnError) {
  const KvLayout layout{KvFormat::kF32, 4, 4};
  const auto store = ColdStore::create(layout, 2, 2 * block_of(layout) - 1, "");
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(ErrorCode::kCapacity, store.error().code);
  EXPECT_NE(std::string::npos, store.error().message.find(std::to_string(2 * block_of(layout) - 1)));
}

// The bytes of a sealed block, changed behind the store's back.
TEST(ColdStore, ACorruptBlockIsFound) {
  const KvLayout layout{KvFormat::kF32, 4, 4};
  KvSequence s = filled(layout, 100);
  auto store = ColdStore::create(layout, 2, 10 * block_of(layout), "").value();
  for (int p = 0; p < 64; ++p) ASSERT_TRUE(put(store, s, p, nullptr).ok());
  for (const uint64_t id : store.blocks()) {
    if (id != store.blocks().front()) continue;
    const auto view = store.view(id);
    ASSERT_TRUE(view.ok());
    const_cast<std::byte&>(view->data[77]) ^= std::byte{1};
  }
  ASSERT_TRUE(get(store, s, 40).ok()) << "the other block";
  const auto broken = get(store, s, 3);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(ErrorCode::kCorrupt, broken.error().code);
  EXPECT_EQ("cold tier: the checksum of the block with position 0 is wrong", broken.error().message);
}

TEST(ColdStore, CopiesShareSealedBlocksAndPartWays) {
  const KvLayout layout{KvFormat::kF32, 4, 4};
  for (const bool in_file : {false, true}) {
    KvSequence s = filled(layout, 300);
    auto a = ColdStore::create(layout, 2, 4 * block_of(layout), in_file ? temporary_path("fork") : "").value();
    for (int p = 0; p < 80; ++p) ASSERT_TRUE(put(a, s, p, nullptr).ok());
    ColdStore b = a;
    std::vector<int32_t> lost;
    for (int p = 80; p < 250; ++p) ASSERT_TRUE(put(b, s, p, &lost).ok());  // pushes the shared ones out of b
    EXPECT_FALSE(b.contains(0));
    for (int p = 100; p < 120; ++p) ASSERT_TRUE(put(a, s, p, nullptr).ok());
    for (const int p : {0, 31, 32, 79, 100, 119}) {
      const auto slot = get(a, s, p);
      ASSERT_TRUE(slot.ok()) << slot.error().message;
      EXPECT_EQ(slot_of(s, 1, p), slot_of(s, 1, *slot)) << p;
    }
    for (const int p : {249, 200, 180}) {
      const auto slot = get(b, s, p);
      ASSERT_TRUE(slot.ok()) << slot.error().message;
      EXPECT_EQ(slot_of(s, 1, p), slot_of(s, 1, *slot)) << p;
    }
  }
}

TEST(ColdStore, AFileThatCannotBeMade) {
  const KvLayout layout{KvFormat::kF32, 4, 4};
  const auto nowhere = ColdStore::create(layout, 2, 1 << 20, "/nowhere/at/all");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(ErrorCode::kIo, nowhere.error().code);
  EXPECT_EQ("cold tier: cannot create /nowhere/at/all: No such file or directory", nowhere.error().message);
  const std::string taken = temporary_path("taken");
  std::ofstream(taken) << "something of somebody's";
  const auto there = ColdStore::create(layout, 2, 1 << 20, taken);
  ASSERT_FALSE(there.ok());
  EXPECT_NE(std::string::npos, there.error().message.find("File exists"));
  ::unlink(taken.c_str());
}

// In a child whose files may not grow beyond four blocks. Exit codes tell what went wrong.
int with_full_disk() {
  std::signal(SIGXFSZ, SIG_IGN);
  KvOptions options;
  options.policy = "sinks";
  options.budget = 64;
  options.cold = KvOptions::Cold::kFile;
  options.cold_path = temporary_path("full");
  options.log = 1 << 12;
  Driver d = Driver::make(tiny_shape(4000), options);
  const size_t block = d.m->cold()->block_bytes();
  const rlimit limit{4 * block + block / 2, 4 * block + block / 2};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
  Prose prose(1);
  Status s;
  for (int i = 0; i < 100 && s.ok(); ++i) s = d.append(prose.take(10), 10);
  if (s.ok()) return 3;
  if (s.error().code != ErrorCode::kIo) return 4;
  if (s.error().message.find(options.cold_path) == std::string::npos) return 5;
  for (int again = 0; again < 3; ++again) {  // it stays an error, and everything stays where it was
    if (d.append(prose.take(1), 1).ok()) return 6;
  }
  d.check("full disk");
  if (testing::Test::HasFailure()) return 7;
  if (d.m->counts().lost != 0) return 8;
  const auto hot = d.m->hot_positions();
  for (int p = 0; p < d.m->sequence().next_position(); ++p) {
    if (!std::binary_search(hot.begin(), hot.end(), p) && !d.m->cold()->contains(p)) return 9;
  }
  return 0;
}

TEST(ColdStore, AFullDiskLosesNothing) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(with_full_disk());
  int status = 0;
  ASSERT_EQ(child, ::waitpid(child, &status, 0));
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(0, WEXITSTATUS(status));
}

// --- Recall through a memory ----------------------------------------------------------------------------------------

TEST(Recall, RangesMentionsAndWhatIsGone) {
  KvOptions options;
  options.budget = 64;
  options.policy = "recency";
  options.cold = KvOptions::Cold::kRam;
  Driver d = Driver::make(tiny_shape(4000), options);
  ASSERT_TRUE(d.append(Prose(4).take(300), 17).ok());
  const auto done = d.recall(10, 20);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(10, done->recalled);
  EXPECT_EQ(0, done->missing);
  EXPECT_EQ(10u, d.m->counts().recalled);
  d.check("recalled");
  const auto again = d.recall(10, 20);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(0, again->recalled) << "it is there";
  const auto much = d.recall(30, 80);
  ASSERT_FALSE(much.ok());
  EXPECT_EQ(ErrorCode::kCapacity, much.error().code);
  EXPECT_NE(std::string::npos, much.error().message.find("recalling 50 tokens"));
  EXPECT_NE(std::string::npos, much.error().message.find("KV budget of 64"));
  for (const auto& [first, last] : std::vector<std::pair<int, int>>{{-1, 2}, {5, 5}, {7, 6}, {290, 301}}) {
    const auto bad = d.recall(first, last);
    ASSERT_FALSE(bad.ok());
    EXPECT_EQ(ErrorCode::kInvalidArgument, bad.error().code);
  }
  d.check("after errors");
}

TEST(Recall, WithoutAColdTierTokensAreMissing) {
  KvOptions options;
  options.budget = 64;
  options.policy = "recency";
  Driver d = Driver::make(tiny_shape(4000), options);
  ASSERT_TRUE(d.append(Prose(4).take(300), 17).ok());
  const auto done = d.recall(10, 20);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(0, done->recalled);
  EXPECT_EQ(10, done->missing);
}

// A reference that is evicted and mentioned again: recalled with a cold tier, else reported, once per mention.
std::vector<std::string> statement_and_mentions(int mentions) {
  std::vector<std::string> texts = {"It",  " was",         " cold",       " and",    " wet",
                                    ".\n", "The price of", " DOC-83FA21", " is 7.\n"};
  for (int m = 0; m < mentions; ++m) {
    for (int i = 0; i < 150; ++i) texts.emplace_back(i % 10 == 9 ? " rain.\n" : " rain");
    texts.insert(texts.end(), {" See", " DOC-", "83FA21", " now.\n"});
  }
  return texts;
}

TEST(Honesty, AnEvictedReferenceIsReportedOncePerMention) {
  KvOptions options;
  options.budget = 64;
  options.anchor_cap = 0;  // nothing is pinned: the reference goes
  Driver d = Driver::make(tiny_shape(4000), options);
  ASSERT_TRUE(d.append(statement_and_mentions(1), 16).ok());
  EXPECT_EQ(1u, d.m->counts().detached);
  ASSERT_EQ(1u, d.m->detached().size());
  EXPECT_EQ("DOC-83FA21", d.m->detached()[0].reference);
  EXPECT_EQ(6, d.m->detached()[0].first);
  EXPECT_EQ(9, d.m->detached()[0].last);
  EXPECT_EQ(9 + 154 - 1, d.m->detached()[0].position);
  d.check("detached");
}

TEST(Honesty, WithAColdTierItComesBackInstead) {
  for (const auto kind : {KvOptions::Cold::kRam, KvOptions::Cold::kFile}) {
    KvOptions options;
    options.budget = 64;
    options.anchor_cap = 0;
    options.cold = kind;
    options.cold_path = temporary_path("recall");
    Driver d = Driver::make(tiny_shape(4000), options);
    ASSERT_TRUE(d.append(statement_and_mentions(1), 16).ok());
    EXPECT_EQ(0u, d.m->counts().detached);
    EXPECT_GE(d.m->counts().recalled, 1u);
    const auto hot = d.m->hot_positions();
    for (int p = 6; p < 9; ++p) EXPECT_TRUE(std::binary_search(hot.begin(), hot.end(), p)) << p;
    d.check("recalled");
  }
}

TEST(Honesty, GivenSegmentsAreReportedByTheirSource) {
  KvOptions options;
  options.budget = 64;
  options.anchor_cap = 0;
  options.anchor_detect = false;
  Driver d = Driver::make(tiny_shape(4000), options);
  Segment s{.first = 6, .last = 9, .kind = SegmentKind::kReference, .pin = Pin::kSoft, .source_id = "kb/17"};
  ASSERT_TRUE(d.m->add_segments({&s, 1}).ok());
  ASSERT_TRUE(d.append(statement_and_mentions(3), 16).ok());
  EXPECT_EQ(3u, d.m->counts().detached);
  ASSERT_EQ(3u, d.m->detached().size()) << "once per mention";
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ("kb/17", d.m->detached()[i].reference);
    EXPECT_EQ(8 + 154 * (static_cast<int>(i) + 1), d.m->detached()[i].position);
  }
}

TEST(Honesty, AMentionAfterATruncationIsReportedAgain) {
  KvOptions options;
  options.budget = 64;
  options.anchor_cap = 0;
  Driver d = Driver::make(tiny_shape(4000), options);
  const auto texts = statement_and_mentions(1);
  ASSERT_TRUE(d.append(texts, 16).ok());
  ASSERT_EQ(1u, d.m->counts().detached);
  ASSERT_TRUE(d.truncate(d.m->sequence().next_position() - 4).ok());
  ASSERT_TRUE(d.append({" DOC-83FA21", " it", " was"}, 16).ok());
  EXPECT_EQ(2u, d.m->counts().detached);
}

}  // namespace
}  // namespace kedge::memory
