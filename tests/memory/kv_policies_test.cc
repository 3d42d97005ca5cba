// Policies as what they are: pure functions from a view to ranks. What stays is told by position.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "memory/eviction/policy.h"

namespace kedge::memory {
namespace {

// Twelve tokens at these positions; the scores by index unless a test says otherwise.
struct View {
  std::vector<int32_t> position = {0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23};
  std::vector<uint32_t> score = std::vector<uint32_t>(12, 0);
  std::vector<TokenTag> tag = std::vector<TokenTag>(12);
  std::vector<float> likeness = std::vector<float>(12, 0.0f);
  PolicyKnobs knobs{16, 2, 3};
  uint64_t random_key = 7;
  bool idle = false;

  EvictionView view() const {
    EvictionView v;
    v.position = position;
    v.score = score;
    v.tag = tag;
    v.idle = idle;
    v.key_likeness = likeness;
    v.knobs = knobs;
    v.random_key = random_key;
    return v;
  }
};

std::vector<int32_t> kept(const char* policy, const View& v, size_t n_keep) {
  const EvictionPolicy* p = find_policy(policy);
  EXPECT_NE(nullptr, p) << policy;
  std::vector<Rank> ranks(v.position.size());
  p->rank(v.view(), ranks);
  const std::vector<int32_t> gone = lowest(ranks, v.position.size() - n_keep);
  std::vector<int32_t> stay;
  for (size_t i = 0; i < v.position.size(); ++i) {
    if (!std::binary_search(gone.begin(), gone.end(), static_cast<int32_t>(i))) stay.push_back(v.position[i]);
  }
  return stay;
}

using Positions = std::vector<int32_t>;

TEST(Policies, EveryFileIsFoundByItsName) {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(KEDGE_SOURCE_DIR) + "/memory/eviction")) {
    if (entry.path().extension() != ".cc") continue;
    std::string name = entry.path().stem();
    std::replace(name.begin(), name.end(), '_', '-');
    files.insert(name);
    const EvictionPolicy* policy = find_policy(name);
    ASSERT_NE(nullptr, policy) << name;
    EXPECT_FALSE(policy->about.empty()) << name;
    EXPECT_EQ(policy->evicts, policy->rank != nullptr) << name;
  }
  const auto names = policy_names();
  EXPECT_EQ(files, std::set<std::string>(names.begin(), names.end()));
  EXPECT_EQ(files.size(), names.size());
  EXPECT_TRUE(files.contains("anchor-basic"));
  EXPECT_EQ(find_policy("anchor_basic"), find_policy("anchor-basic")) << "one name in two spellings";
  EXPECT_EQ(nullptr, find_policy("nothing"));
  EXPECT_EQ(nullptr, find_policy(""));
  EXPECT_EQ(nullptr, find_policy("anchor-"));
}

TEST(Policies, LowestTakesTiersThenScoresThenTheOlder) {
  const std::vector<Rank> ranks = {{1, 5}, {0, 9}, {1, 5}, {0, 9}, {0, 1}, {2, 0}};
  EXPECT_EQ((Positions{4}), lowest(ranks, 1));
  EXPECT_EQ((Positions{1, 4}), lowest(ranks, 2)) << "of equal ones the older leaves";
  EXPECT_EQ((Positions{1, 3, 4}), lowest(ranks, 3));
  EXPECT_EQ((Positions{0, 1, 3, 4}), lowest(ranks, 4));
  EXPECT_EQ((Positions{0, 1, 2, 3, 4, 5}), lowest(ranks, 99));
  EXPECT_TRUE(lowest(ranks, 0).empty());
  EXPECT_TRUE(lowest({}, 3).empty());
}

TEST(Policies, PooledGivesNeighboursTheLargest) {
  const std::vector<uint32_t> score = {0, 9, 0, 0, 0, 0, 7, 1};
  EXPECT_EQ((std::vector<uint32_t>{9, 9, 9, 0, 0, 7, 7, 7}), pooled(score, 3));
  EXPECT_EQ(score, pooled(score, 1));
  EXPECT_EQ((std::vector<uint32_t>{9, 9, 9, 9, 7, 7, 7, 7}), pooled(score, 5));
  EXPECT_TRUE(pooled({}, 7).empty());
}

TEST(Policies, RecencyKeepsTheLatest) {
  View v;
  v.score[4] = 1000;
  EXPECT_EQ((Positions{13, 20, 21, 22, 23}), kept("recency", v, 5));
}

TEST(Policies, SinksKeepTheFirstAndTheLatest) { EXPECT_EQ((Positions{0, 1, 21, 22, 23}), kept("sinks", View(), 5)); }

TEST(Policies, H2oKeepsHalfABudgetAndHeavyHitters) {
  View v;
  v.knobs.budget = 8;  // the latest four
  v.score[4] = 10;
  v.score[7] = 20;
  v.score[0] = 15;
  EXPECT_EQ((Positions{0, 13, 20, 21, 22, 23}), kept("h2o", v, 6));
  EXPECT_EQ((Positions{20, 21, 22, 23}), kept("h2o", v, 4));
}

TEST(Policies, TovaKeepsWhatTheLastTokenLooksAt) {
  View v;
  v.score = {0, 0, 5, 1, 2, 3, 9, 9, 9, 0, 0, 0};
  EXPECT_EQ((Positions{0, 1, 12, 13, 20, 21, 22, 23}), kept("tova", v, 8));
  EXPECT_EQ((Positions{0, 1, 13, 20, 21, 22, 23}), kept("tova", v, 7)) << "a tie goes to the younger";
}

TEST(Policies, SnapkvPoolsOverNeighbours) {
  View v;
  v.knobs = {16, 0, 0};
  v.score[5] = 100;
  v.score[11] = 50;
  EXPECT_EQ((Positions{2, 3, 10, 11, 12, 13, 20}), kept("snapkv", v, 7)) << "three on either side";
}

TEST(Policies, KeydiffDropsKeysLikeTheOthers) {
  View v;
  v.likeness = {1, 1, 0.9f, 0.8f, -0.5f, 0.9f, 0.1f, 0.9f, 0.9f, 1, 1, 1};
  EXPECT_EQ((Positions{0, 1, 10, 12, 21, 22, 23}), kept("keydiff", v, 7));
  v.likeness[4] = 1.0f;
  v.likeness[3] = -1.0f;
  EXPECT_EQ((Positions{0, 1, 3, 12, 21, 22, 23}), kept("keydiff", v, 7));
}

TEST(Policies, RandomKeepsFloorsAndFollowsItsKey) {
  View v;
  const Positions first = kept("random", v, 8);
  EXPECT_EQ(first, kept("random", v, 8));
  for (const int32_t p : {0, 1, 21, 22, 23}) EXPECT_TRUE(std::binary_search(first.begin(), first.end(), p)) << p;
  std::set<Positions> different;
  for (uint64_t key = 0; key < 20; ++key) {
    v.random_key = key;
    different.insert(kept("random", v, 8));
  }
  EXPECT_GT(different.size(), 5u);
}

TEST(Policies, AnchorBasicWantsAReferenceAndAttention) {
  View v;
  v.tag[4].pin = PinClass::kSoft;
  v.tag[5].pin = PinClass::kSoft;
  v.score[4] = score_of(0.61f);
  v.score[5] = score_of(0.6f);   // does not exceed it
  v.score[6] = score_of(0.99f);  // no reference
  EXPECT_EQ((Positions{10, 22, 23}), kept("anchor-basic", v, 3));
}

TEST(Policies, AnchorTiersFromTheLastToLeave) {
  View v;
  v.knobs = {16, 1, 2};
  v.tag[2] = {PinClass::kHard, 1};
  v.tag[3] = {PinClass::kBoundary, 0};
  v.tag[4] = {PinClass::kSoft, 9};
  v.tag[5] = {PinClass::kSoft, 8};
  v.tag[6] = {PinClass::kMargin, 9};
  v.tag[7] = {PinClass::kSurplus, 3};
  v.score[8] = 1000;
  EXPECT_EQ((Positions{2}), kept("anchor", v, 1));
  EXPECT_EQ((Positions{2, 3}), kept("anchor", v, 2)) << "sink and boundary are alike: the older leaves";
  EXPECT_EQ((Positions{0, 2, 3}), kept("anchor", v, 3));
  EXPECT_EQ((Positions{0, 2, 3, 22, 23}), kept("anchor", v, 5));
  EXPECT_EQ((Positions{0, 2, 3, 10, 22, 23}), kept("anchor", v, 6)) << "the soft pin of the higher rank";
  EXPECT_EQ((Positions{0, 2, 3, 10, 11, 22, 23}), kept("anchor", v, 7));
  EXPECT_EQ((Positions{0, 2, 3, 10, 11, 12, 22, 23}), kept("anchor", v, 8)) << "then margins";
  EXPECT_EQ((Positions{0, 2, 3, 10, 11, 12, 21, 22, 23}), kept("anchor", v, 9)) << "then attention, pooled";
}

TEST(Policies, AnchorBasicKeepsHardPins) {
  View v;
  v.tag[4].pin = PinClass::kHard;
  v.tag[5].pin = PinClass::kSoft;  // without the attention that its rule asks for
  EXPECT_EQ((Positions{10, 22, 23}), kept("anchor-basic", v, 3));
}

TEST(Policies, AnchorKeepsUnlikeKeysInIdleHeads) {
  View v;
  v.knobs = {16, 0, 0};
  v.score[5] = 100;
  v.likeness.assign(12, 0.9f);
  v.likeness[2] = 0.1f;
  EXPECT_EQ((Positions{20}), kept("anchor", v, 1)) << "pooled attention, the latest of equals";
  v.idle = true;
  EXPECT_EQ((Positions{2}), kept("anchor", v, 1));
}

TEST(Policies, WithoutMetadataAnchorKeepsFloorsAndAttention) {
  View v;
  v.score[6] = 10;
  EXPECT_EQ((Positions{0, 1, 3, 10, 11, 12, 13, 20, 21, 22, 23}), kept("anchor", v, 11));
}

}  // namespace
}  // namespace kedge::memory
