// The article's two functions at their edges.
#include "memory/anchors/anchor_basic.h"

#include <gtest/gtest.h>

#include <limits>

namespace kedge::memory {
namespace {

using Positions = std::vector<int>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(IsReferenceToken, WholeAndInPieces) {
  for (const char* token :
       {"DOC-569B", " DOC", "\xe2\x96\x81TKT", "\xc4\xa0KB", "569B", "1982", "Kaldley,", "parse_header", "_id",
        "hashKey", "`clamp`", "[12]", "INV-1991-9185", "7f3c9a1e52b4", "(Harlow"}) {
    EXPECT_TRUE(is_reference_token(token)) << token;
  }
  for (const char* token : {"", " ", "\xe2\x96\x81", "the", "The", " What", "of", ".", "(", "7", "42", "ferry", "a",
                            "I", "\n", "-", "_", "May", "pack"}) {
    EXPECT_FALSE(is_reference_token(token)) << token;
  }
}

TEST(SelectAnchors, AboveTheThresholdAndAReference) {
  const std::vector<std::string> tokens = {"The", " code", " DOC-569B", " is", " TKT-43396", " Eskby"};
  EXPECT_EQ((Positions{2, 5}), select_anchors(tokens, std::vector<float>{0.9F, 0.9F, 0.7F, 0.9F, 0.6F, 0.61F}));
  EXPECT_EQ((Positions{2, 4, 5}), select_anchors(tokens, std::vector<float>(6, 0.1F), 0.0F));
  EXPECT_EQ(Positions{}, select_anchors(tokens, std::vector<float>(6, 0.5F)));
  EXPECT_EQ(Positions{}, select_anchors({}, {}));
  EXPECT_EQ(Positions{}, select_anchors(tokens, std::vector<float>(6, kNan)));
  EXPECT_EQ((Positions{2}), select_anchors(tokens, std::vector<float>(3, 1.0F)));  // no scores, no anchors
}

TEST(EvictPolicy, AnchorsThenTheMostRecent) {
  const Positions store = {0, 1, 2, 3, 4, 5, 6, 7};
  const std::vector<ScoredPosition> anchors = {{1, 0.9F}, {3, 0.7F}};
  const Retention r = evict_policy(store, anchors, 5);
  EXPECT_EQ((Positions{1, 3, 5, 6, 7}), r.kept);
  EXPECT_TRUE(r.surplus.empty());
  EXPECT_EQ(store, evict_policy(store, anchors, 8).kept);
  EXPECT_EQ(store, evict_policy(store, anchors, 100).kept);
}

TEST(EvictPolicy, ExactFillLeavesNoOthers) {
  const Retention r = evict_policy(Positions{0, 1, 2, 3}, std::vector<ScoredPosition>{{0, 1.0F}, {2, 1.0F}}, 2);
  EXPECT_EQ((Positions{0, 2}), r.kept);
  EXPECT_TRUE(r.surplus.empty());
}

TEST(EvictPolicy, SurplusGoesLowestScoreFirstThenLowestPosition) {
  const std::vector<ScoredPosition> anchors = {{6, 0.5F}, {0, 0.9F}, {4, 0.5F}, {2, 0.7F}};
  const Retention r = evict_policy(Positions{0, 2, 4, 6, 8}, anchors, 2);
  EXPECT_EQ((Positions{0, 2}), r.kept);
  EXPECT_EQ((Positions{4, 6}), r.surplus);
  const Retention ties =
      evict_policy(Positions{1, 2, 3}, std::vector<ScoredPosition>{{3, 1.0F}, {2, 1.0F}, {1, 1.0F}}, 2);
  EXPECT_EQ((Positions{2, 3}), ties.kept);
  EXPECT_EQ((Positions{1}), ties.surplus);
  const Retention nan = evict_policy(Positions{1, 2}, std::vector<ScoredPosition>{{2, kNan}, {1, -5.0F}}, 1);
  EXPECT_EQ((Positions{1}), nan.kept);
  EXPECT_EQ((Positions{2}), nan.surplus);
}

TEST(EvictPolicy, AbsentAndDuplicateAnchors) {
  // 9 was evicted before: it is neither kept nor surplus. 4 counts once, with its higher score.
  const std::vector<ScoredPosition> anchors = {{9, 1.0F}, {4, 0.1F}, {5, 0.5F}, {4, 0.8F}, {-1, 1.0F}};
  const Retention r = evict_policy(Positions{3, 4, 5, 6}, anchors, 1);
  EXPECT_EQ((Positions{4}), r.kept);
  EXPECT_EQ((Positions{5}), r.surplus);
  EXPECT_EQ((Positions{4, 5, 6}), evict_policy(Positions{3, 4, 5, 6}, anchors, 3).kept);
}

TEST(EvictPolicy, Empty) {
  const std::vector<ScoredPosition> anchors = {{1, 1.0F}, {0, 0.5F}};
  EXPECT_TRUE(evict_policy({}, anchors, 4).kept.empty());
  EXPECT_TRUE(evict_policy({}, anchors, 4).surplus.empty());
  EXPECT_EQ((Positions{2, 3}), evict_policy(Positions{1, 2, 3}, {}, 2).kept);
  for (const int none : {0, -3}) {
    const Retention r = evict_policy(Positions{0, 1, 2}, anchors, none);
    EXPECT_TRUE(r.kept.empty());
    EXPECT_EQ((Positions{0, 1}), r.surplus);
  }
}

TEST(EvictPolicy, TakesWhatSelectAnchorsGives) {
  const std::vector<std::string> tokens = {"See", " DOC-569B", " of", " the", " list"};
  const std::vector<float> scores = {0.2F, 0.8F, 0.1F, 0.9F, 0.1F};
  const std::vector<ScoredPosition> anchors = with_scores(select_anchors(tokens, scores), scores);
  ASSERT_EQ(1u, anchors.size());
  EXPECT_EQ(0.8F, anchors[0].score);
  EXPECT_EQ((Positions{1, 4}), evict_policy(Positions{0, 1, 2, 3, 4}, anchors, 2).kept);
  EXPECT_EQ(0.0F, with_scores(Positions{7}, scores)[0].score);
}

}  // namespace
}  // namespace kedge::memory
