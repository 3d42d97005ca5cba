// How `kedge eval recall` judges answers, and the arithmetic around it.
#include <gtest/gtest.h>

#include "tools/eval/score.h"

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

TEST(EvalScore, IntervalsHoldTheShareAndAreNeverEmpty) {
  for (const size_t n : {1u, 4u, 10u, 360u}) {
    for (size_t right = 0; right <= n; right += std::max<size_t>(1, n / 5)) {
      const Interval i = wilson_interval(right, n);
      const double share = static_cast<double>(right) / static_cast<double>(n);
      EXPECT_LE(i.low, share);
      EXPECT_GE(i.high, share);
      EXPECT_GE(i.low, 0);
      EXPECT_LE(i.high, 1);
      EXPECT_GT(i.high - i.low, 0.01);
    }
  }
  // Wilson's own form: z^2 / (n + z^2) when none of four is right, as much below one when all are.
  EXPECT_NEAR(wilson_interval(0, 4).high, 0.4899, 1e-4);
  EXPECT_NEAR(wilson_interval(4, 4).low, 0.5101, 1e-4);
  EXPECT_NEAR(wilson_interval(81, 90).low, 0.8208, 1e-4);
  EXPECT_NEAR(wilson_interval(81, 90).high, 0.9465, 1e-4);
  EXPECT_EQ(0, wilson_interval(0, 0).low);
  EXPECT_EQ(1, wilson_interval(0, 0).high);
}

}  // namespace
}  // namespace kedge::tools
