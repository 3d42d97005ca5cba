// How `kedge eval recall` judges answers, and the arithmetic around it.
#include <gtest/gtest.h>

#include "tools/eval_score.h"

namespace kedge::tools {
namespace {

using Texts = std::vector<std::string>;

TEST(EvalScore, ParsesAsTheTrainingScriptDoes) {
  const auto one = parse_answer("13:44<|ref|>[DOC-569B]");
  EXPECT_EQ(one.values, Texts{"13:44"});
  EXPECT_EQ(one.sources, Texts{"[DOC-569B]"});
  const auto two = parse_answer("v<|ref|>r; v2<|ref|>r2");
  EXPECT_EQ(two.values, (Texts{"v", "v2"}));
  EXPECT_EQ(two.sources, (Texts{"r", "r2"}));
  const auto three =
      parse_answer("867 kg<|ref|>[INV-BA9554]; C-33<|ref|>[REC-30D741]; 29.5 times<|ref|>(Oakhollow, 1965)");
  EXPECT_EQ(three.values, (Texts{"867 kg", "C-33", "29.5 times"}));
  EXPECT_EQ(three.sources, (Texts{"[INV-BA9554]", "[REC-30D741]", "(Oakhollow, 1965)"}));
}

TEST(EvalScore, ParsesWhatIsNoProperAnswer) {
  EXPECT_EQ(parse_answer("").values, Texts{""});
  EXPECT_EQ(parse_answer("").sources, Texts{});
  EXPECT_EQ(parse_answer(" only a value ").values, Texts{"only a value"});
  // What follows the last <|ref|> is one source, whatever is in it.
  const auto last = parse_answer("v<|ref|>r; more");
  EXPECT_EQ(last.values, Texts{"v"});
  EXPECT_EQ(last.sources, Texts{"r; more"});
  // Without "; " between them there is no second value; with several, the first cuts.
  const auto glued = parse_answer("v<|ref|>r<|ref|>r2");
  EXPECT_EQ(glued.values, Texts{"v"});
  EXPECT_EQ(glued.sources, (Texts{"r", "r2"}));
  const auto several = parse_answer("v<|ref|>r; a; b<|ref|>r2");
  EXPECT_EQ(several.values, (Texts{"v", "a; b"}));
}

TEST(EvalScore, WhiteSpaceAroundTheMarkIsNoDifference) {
  EXPECT_EQ(normalised_answer(" 867 kg <|ref|> [A];  b\n<|ref|>\t[B] \n"), "867 kg<|ref|>[A];  b<|ref|>[B]");
  EXPECT_EQ(normalised_answer("a <|ref|> <|ref|> b"), "a<|ref|><|ref|>b");
  EXPECT_EQ(normalised_answer("\xc2\xa0x\xe2\x80\x89 <|ref|>\xe3\x80\x80y\x1f"), "x<|ref|>y");
  EXPECT_EQ(normalised_answer("\xc3\xa9 <|ref|> \xe2\x82\xac"), "\xc3\xa9<|ref|>\xe2\x82\xac");
  EXPECT_EQ(normalised_answer(" \n "), "");
}

TEST(EvalScore, CodePointsToBytes) {
  EXPECT_EQ(code_point_starts(""), (std::vector<size_t>{0}));
  EXPECT_EQ(code_point_starts("abc"), (std::vector<size_t>{0, 1, 2, 3}));
  EXPECT_EQ(code_point_starts("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"), (std::vector<size_t>{0, 1, 3, 6, 10, 11}));
}

TEST(EvalScore, Budgets) {
  EXPECT_EQ(budget_tokens(4000, 25), 1000);
  EXPECT_EQ(budget_tokens(8081, 12.5), 1010);
  EXPECT_EQ(budget_tokens(101, 50), 50) << "halves go to the even number";
  EXPECT_EQ(budget_tokens(103, 50), 52);
  EXPECT_EQ(budget_tokens(400, 6.25), kLeastBudget);
  EXPECT_EQ(budget_tokens(1, 100), kLeastBudget);
}

TEST(EvalScore, IntervalsAreTheSameEveryTime) {
  const Interval a = bootstrap_interval(81, 90);
  const Interval b = bootstrap_interval(81, 90);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  // The numbers of this generator and seed, on any machine.
  EXPECT_DOUBLE_EQ(a.low, 75.0 / 90);
  EXPECT_DOUBLE_EQ(a.high, 86.0 / 90);
  const Interval other = bootstrap_interval(81, 90, 7);
  EXPECT_NEAR(other.low, a.low, 0.04);
}

TEST(EvalScore, IntervalsHoldTheShare) {
  for (const size_t n : {1u, 10u, 360u}) {
    for (size_t right = 0; right <= n; right += std::max<size_t>(1, n / 5)) {
      const Interval i = bootstrap_interval(right, n);
      const double share = static_cast<double>(right) / static_cast<double>(n);
      EXPECT_LE(i.low, share);
      EXPECT_GE(i.high, share);
      EXPECT_GE(i.low, 0);
      EXPECT_LE(i.high, 1);
    }
  }
  EXPECT_EQ(bootstrap_interval(90, 90).low, 1);
  EXPECT_EQ(bootstrap_interval(0, 90).high, 0);
  const Interval few = bootstrap_interval(5, 10);
  const Interval many = bootstrap_interval(180, 360);
  EXPECT_GT(few.high - few.low, many.high - many.low);
  // About 1.96 standard errors on either side.
  EXPECT_NEAR(many.high - 0.5, 1.96 * std::sqrt(0.25 / 360), 0.01);
}

}  // namespace
}  // namespace kedge::tools
