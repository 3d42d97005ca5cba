// What is guessed, and how many guesses a step is worth.
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "engine/guess/lookup.h"
#include "engine/guess/pace.h"

namespace kedge::engine {
namespace {

std::vector<int32_t> guess(LookupGuesser& guesser, size_t n, int* kind = nullptr) {
  std::vector<int32_t> out(n);
  auto made = guesser.guess(out);
  EXPECT_TRUE(made.ok());
  out.resize(made->n);
  if (kind != nullptr) *kind = made->kind;
  return out;
}

TEST(Lookup, GoesOnAsTheTextDidBefore) {
  LookupGuesser guesser;
  (void)guesser.begin(std::vector<int32_t>{1, 2, 3, 4, 5, 9, 2, 3});
  EXPECT_EQ(guess(guesser, 3), (std::vector<int32_t>{4, 5, 9}));
  guesser.add(4);
  EXPECT_EQ(guess(guesser, 2), (std::vector<int32_t>{5, 9}));
  guesser.add(7);
  EXPECT_TRUE(guess(guesser, 3).empty());  // never seen
  LookupGuesser nothing;
  EXPECT_TRUE(guess(nothing, 3).empty());
  nothing.add(1);
  EXPECT_TRUE(guess(nothing, 3).empty());
}

TEST(Lookup, TheLongestMatchCountsThenTheNewest) {
  LookupGuesser guesser;
  (void)guesser.begin(std::vector<int32_t>{8, 1, 2, 50, 9, 1, 2, 60, 7, 1, 2, 70, 8, 1, 2});
  EXPECT_EQ(guess(guesser, 1), std::vector<int32_t>{50});
  (void)guesser.begin(std::vector<int32_t>{100, 1, 2});
  EXPECT_EQ(guess(guesser, 1), std::vector<int32_t>{100});
}

TEST(Lookup, ARepetitionGoesOn) {
  LookupGuesser guesser;
  (void)guesser.begin(std::vector<int32_t>{5, 6, 7, 5, 6, 7});
  EXPECT_EQ(guess(guesser, 7), (std::vector<int32_t>{5, 6, 7, 5, 6, 7, 5}));
}

TEST(Lookup, AGivenAnswerIsExpectedWordForWordAndFoundAgain) {
  LookupGuesser guesser({10, 11, 12, 13, 14, 15, 16});
  (void)guesser.begin(std::vector<int32_t>{1, 2, 3});
  EXPECT_EQ(guess(guesser, 3), (std::vector<int32_t>{10, 11, 12}));
  guesser.add(10);
  guesser.add(11);
  EXPECT_EQ(guess(guesser, 9), (std::vector<int32_t>{12, 13, 14, 15, 16}));
  guesser.add(99);  // another way
  EXPECT_TRUE(guess(guesser, 3).empty());
  guesser.add(13);
  guesser.add(14);
  EXPECT_EQ(guess(guesser, 3), (std::vector<int32_t>{15, 16}));
  // A pair of the prompt's end and the answer's beginning is none of the given answer.
  LookupGuesser border({3, 10});
  (void)border.begin(std::vector<int32_t>{10, 4, 3, 10});
  border.add(7);
  EXPECT_TRUE(guess(border, 2).empty());
}

// Whatever the text, a guess is what followed one of the longest earlier occurrences of its end.
TEST(Lookup, AgreesWithADirectSearch) {
  std::mt19937 dice(1);
  for (int round = 0; round < 20; ++round) {
    LookupGuesser guesser;
    std::vector<int32_t> text;
    for (int i = 0; i < 700; ++i) {
      text.push_back(static_cast<int32_t>(dice() % 4));
      guesser.add(text.back());
      if (i % 7 != 0) continue;
      size_t longest = 1;
      for (size_t end = text.size() - 1; end > 0; --end) {
        size_t n = 0;
        while (n < 32 && n < end && text[end - 1 - n] == text[text.size() - 1 - n]) ++n;
        longest = std::max(longest, n);
      }
      const auto next = guess(guesser, 1);
      if (longest < 2) {
        EXPECT_TRUE(next.empty());
      } else if (!next.empty()) {
        std::vector<int32_t> match(text.end() - 2, text.end());
        match.push_back(next[0]);
        EXPECT_NE(std::search(text.begin(), text.end(), match.begin(), match.end()), text.end());
      } else {
        ADD_FAILURE() << "a match of " << longest << " was not found";
      }
    }
    EXPECT_LE(guesser.bytes(), 700u * 32);
  }
}

StepCost step(double seconds, int rows = 1) { return {rows, 0, 1, seconds}; }

TEST(Pace, LongWhereRowsCostLittleAndGuessesComeTrue) {
  Pace pace(8);
  for (int i = 0; i < 20; ++i) pace.took(0, step(0.100), 0);
  for (int i = 0; i < 20; ++i) pace.took(8, step(0.110, 9), 0);
  for (int i = 0; i < 20; ++i) pace.came(0, 8, false);
  EXPECT_EQ(pace.choose(0, 8), 8u);
  EXPECT_EQ(pace.choose(0, 3), 3u);
  // The other kind is hardly ever right: a token or two at most.
  for (int i = 0; i < 40; ++i) pace.came(1, 0, true);
  EXPECT_LE(pace.choose(1, 8), 2u);
}

TEST(Pace, NothingWhereRowsCostAsMuchAsSteps) {
  Pace pace(8);
  for (int i = 0; i < 20; ++i) pace.took(0, step(0.100), 0);
  for (size_t n = 1; n <= 8; ++n) pace.took(n, step(0.1 * static_cast<double>(n + 1), static_cast<int>(n) + 1), 0);
  for (int i = 0; i < 20; ++i) pace.came(0, 3, true);
  size_t guessed = 0;
  for (int i = 0; i < 320; ++i) guessed += pace.choose(0, 8) > 0 ? 1 : 0;
  EXPECT_EQ(guessed, 10u);  // only to see whether it is still so
}

TEST(Pace, GuessesThatTakeTimeAreFewer) {
  const auto worth = [](double asking_s) {
    Pace pace(8);
    for (int i = 0; i < 20; ++i) pace.took(0, step(0.100), 0);
    for (int i = 0; i < 20; ++i) pace.took(8, step(0.120, 9), 8 * asking_s);
    for (int i = 0; i < 20; ++i) pace.came(0, 3, true);
    return pace.worth(0, 8);
  };
  EXPECT_GT(worth(0), worth(0.02));
  EXPECT_GT(worth(0.02), worth(0.08));
  EXPECT_EQ(worth(0.2), 0u);
}

// What one sequence adds to a step, the others wait for.
TEST(Pace, InCompanyFewerThanAlone) {
  const auto worth = [](int sequences) {
    Pace pace(8);
    for (int i = 0; i < 20; ++i) pace.took(0, {1, 0, sequences, 0.100}, 0);
    for (int i = 0; i < 20; ++i) pace.took(8, {9, 0, sequences, 0.180}, 0);
    for (int i = 0; i < 20; ++i) pace.came(0, 4, true);
    return pace.worth(0, 8);
  };
  EXPECT_GT(worth(1), worth(4));
  EXPECT_EQ(worth(64), 0u);
}

TEST(Pace, EvaluatingAgainCosts) {
  const auto worth = [](double again_s) {
    Pace pace(8);
    for (int i = 0; i < 20; ++i) pace.took(0, step(0.100), 0);
    for (int i = 0; i < 20; ++i) pace.took(8, step(0.110, 9), 0);
    for (int i = 0; i < 20; ++i) pace.came(0, 1, true);
    for (int i = 0; i < 20; ++i) pace.repeated(step(again_s, 4));
    return pace.worth(0, 8);
  };
  EXPECT_GT(worth(0.100), 0u);
  EXPECT_EQ(worth(0.400), 0u);
}

// A draft that is too slow is not even asked to read the text.
TEST(Pace, KnowsBeforehandWhatCannotPay) {
  for (const double guess_s : {0.01, 0.03, 0.07, 0.1}) {
    Pace pace(8);
    EXPECT_FALSE(pace.knows_steps());
    pace.took(0, step(0.100), 0);
    pace.took(0, step(0.100), 0);
    EXPECT_TRUE(pace.knows_steps());
    pace.asks(guess_s);
    EXPECT_EQ(pace.could_pay(), guess_s < 0.05) << guess_s;
  }
}

// Others on the machine make times longer now and then: one slow step is no reason to stop.
TEST(Pace, OneSlowStepIsForgiven) {
  Pace pace(8);
  for (int i = 0; i < 4; ++i) pace.took(0, step(0.100), 0);
  for (int i = 0; i < 4; ++i) pace.took(8, step(0.120, 9), 0);
  pace.took(8, step(0.900, 9), 0);
  pace.took(0, step(0.700), 0);
  for (int i = 0; i < 10; ++i) pace.came(0, 8, false);
  EXPECT_EQ(pace.choose(0, 8), 8u);
}

// Steps with prompts of others, and without a clock, say nothing.
TEST(Pace, ForgetsWhatItCannotCompare) {
  Pace pace(8);
  pace.took(0, {1, 500, 1, 9.0}, 0);
  pace.took(4, {5, 0, 1, 0}, 0);
  EXPECT_DOUBLE_EQ(pace.relative_cost(0), 1);
  EXPECT_DOUBLE_EQ(pace.relative_cost(4), 1.4);
}

}  // namespace
}  // namespace kedge::engine
