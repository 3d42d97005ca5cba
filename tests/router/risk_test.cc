// Binomial bounds against tables, and thresholds against data sets whose risk is known.
#include "router/calibration/risk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace kedge::router {
namespace {

double uniform01(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

TEST(Binomial, SmallCasesByHand) {
  EXPECT_NEAR(binomial_cdf(0, 3, 0.5), 1.0 / 8, 1e-15);
  EXPECT_NEAR(binomial_cdf(1, 3, 0.5), 4.0 / 8, 1e-15);
  EXPECT_NEAR(binomial_cdf(2, 3, 0.5), 7.0 / 8, 1e-15);
  EXPECT_EQ(binomial_cdf(3, 3, 0.5), 1);
  EXPECT_EQ(binomial_cdf(0, 5, 0), 1);
  EXPECT_EQ(binomial_cdf(0, 5, 1), 0);
  EXPECT_EQ(binomial_cdf(0, 0, 0.1), 1);
  EXPECT_NEAR(binomial_cdf(2, 10, 0.1), 0.9298091736, 1e-10);
  // Far beyond what (1 - p)^n can hold; the median of a binomial is its mean when that is whole.
  EXPECT_GT(binomial_cdf(50000, 100000, 0.5), 0.5);
  EXPECT_LT(binomial_cdf(49999, 100000, 0.5), 0.5);
}

// Two-sided 95 % intervals as tables of exact binomial limits print them: 2.5 % on each side.
TEST(ClopperPearson, TableValues) {
  const struct {
    size_t errors;
    size_t n;
    double low;
    double high;
  } table[] = {{0, 10, 0, 0.3085},      {1, 10, 0.0025, 0.4450},   {5, 10, 0.1871, 0.8129}, {10, 10, 0.6915, 1},
               {5, 20, 0.0866, 0.4910}, {10, 100, 0.0490, 0.1762}, {0, 100, 0, 0.0362}};
  for (const auto& row : table) {
    EXPECT_NEAR(clopper_pearson_lower(row.errors, row.n, 0.025), row.low, 5.1e-5) << row.errors << "/" << row.n;
    EXPECT_NEAR(clopper_pearson_upper(row.errors, row.n, 0.025), row.high, 5.1e-5) << row.errors << "/" << row.n;
  }
  EXPECT_NEAR(clopper_pearson_upper(0, 50, 0.05), 1 - std::pow(0.05, 1.0 / 50), 1e-12);  // closed form without errors
  EXPECT_EQ(clopper_pearson_upper(0, 0, 0.05), 1);
  EXPECT_EQ(clopper_pearson_lower(0, 0, 0.05), 0);
  EXPECT_EQ(least_rows(0.10, 0.05), 29u);  // 0.9^29 = 0.0471, 0.9^28 = 0.0523
  EXPECT_EQ(least_rows(0.05, 0.05), 59u);
}

TEST(Threshold, WalksDownUntilTheTestFails) {
  // 60 right answers at 0.9, 40 at 0.7 with 5 wrong, 50 at 0.5 with 25 wrong.
  std::vector<double> p;
  std::vector<uint8_t> correct;
  const auto add = [&](double value, size_t n, size_t wrong) {
    for (size_t i = 0; i < n; ++i) {
      p.push_back(value);
      correct.push_back(i < wrong ? 0 : 1);
    }
  };
  add(0.9, 60, 0);
  add(0.7, 40, 4);
  add(0.5, 50, 25);
  const double sequence[] = {0.8, 0.6, 0.4};
  const RiskThreshold t = learn_threshold(sequence, p, correct, 0.10, 0.05);
  EXPECT_EQ(t.tau, 0.6);  // 4 of 100: bound 0.0892
  EXPECT_EQ(t.accepted, 100u);
  EXPECT_EQ(t.errors, 4u);
  EXPECT_EQ(t.n, 150u);
  EXPECT_NEAR(t.bound, 0.0892, 5e-5);
  EXPECT_TRUE(t.reason.empty());
  EXPECT_TRUE(t.accepts(0.6));
  EXPECT_FALSE(t.accepts(0.5999));

  const RiskThreshold strict = learn_threshold(sequence, p, correct, 0.01, 0.05);
  EXPECT_TRUE(std::isinf(strict.tau));
  EXPECT_EQ(strict.accepted, 0u);
  EXPECT_EQ(strict.bound, 1);
  EXPECT_NE(strict.reason.find("0 of 60 accepted"), std::string::npos) << strict.reason;
  EXPECT_NE(strict.reason.find("at least 299 rows"), std::string::npos) << strict.reason;
}

TEST(Threshold, TheSequenceEndsAtTheFloor) {
  std::vector<double> p;
  for (int i = 0; i < 500; ++i) p.push_back(i / 500.0);
  const auto above = [](std::vector<double> list) {  // 0 to 1 becomes 0.8 to 1
    for (double& x : list) x = 0.8 + 0.2 * x;
    return list;
  };
  const auto wide = threshold_sequence(above(p), 250, 0.10, 0.05);
  EXPECT_GT(wide.size(), 30u);
  EXPECT_TRUE(std::is_sorted(wide.rbegin(), wide.rend()));
  EXPECT_EQ(wide.back(), 0.6);
  EXPECT_EQ(risk_floor(0.10), 0.6);
  EXPECT_EQ(risk_floor(0.05), 0.8);
  EXPECT_EQ(risk_floor(0.40), 0.5);
  std::vector<double> weak = p;
  for (double& x : weak) x *= 0.5;
  EXPECT_EQ(threshold_sequence(weak, 250, 0.10, 0.05), std::vector<double>{0.6}) << "the quantiles are all below it";
  const auto at = [&](double x) { return 0.8 + 0.2 * x; };
  const auto& sequence = wide;
  // The first one accepts about 1.25 * 61 of 250 rows: 61 allow two errors.
  EXPECT_NEAR(sequence.front(), at(1 - 76.25 / 250), 0.01);
  EXPECT_NEAR(threshold_sequence(above(p), 100, 0.10, 0.05).front(), at(0.5), 0.01);            // half of few rows
  EXPECT_NEAR(threshold_sequence(above(p), 50, 0.10, 0.05).front(), at(1 - 36.25 / 50), 0.01);  // 29 without errors
  EXPECT_EQ(threshold_sequence({}, 250, 0.10, 0.05), std::vector<double>{0.6});
}

// p is uniform and the answer is right with chance right(p), so the risk of a threshold is an integral. 500 data sets:
// the threshold chosen breaks alpha in no more than delta of them, but for chance, and yet accepts a good part.
void expect_guarantee(double (*right)(double), double alpha, double delta, double least_share) {
  const auto risk = [&](double tau) {
    constexpr int kPoints = 2000;
    double sum = 0;
    for (int i = 0; i < kPoints; ++i) sum += 1 - right(tau + (1 - tau) * (i + 0.5) / kPoints);
    return sum / kPoints;
  };
  std::mt19937_64 random(42);
  constexpr int kSets = 500;
  constexpr size_t kRows = 300;
  int violations = 0;
  double share = 0;
  for (int set = 0; set < kSets; ++set) {
    std::vector<double> elsewhere;
    std::vector<double> p;
    std::vector<uint8_t> correct;
    for (size_t i = 0; i < kRows; ++i) {
      elsewhere.push_back(uniform01(random));
      p.push_back(uniform01(random));
      correct.push_back(uniform01(random) < right(p.back()) ? 1 : 0);
    }
    const RiskThreshold t =
        learn_threshold(threshold_sequence(elsewhere, kRows, alpha, delta), p, correct, alpha, delta);
    if (t.accepted == 0) continue;
    violations += risk(t.tau) > alpha ? 1 : 0;
    share += (1 - t.tau) / kSets;
  }
  const double slack = 3 * std::sqrt(delta * (1 - delta) / kSets);
  EXPECT_LE(violations / static_cast<double>(kSets), delta + slack);
  EXPECT_GE(share, least_share);
}

TEST(Threshold, KeepsItsPromise) {
  expect_guarantee([](double p) { return p; }, 0.20, 0.05, 0.15);              // safe to accept: the top 40 %
  expect_guarantee([](double p) { return 0.7 + 0.3 * p; }, 0.10, 0.05, 0.10);  // the top 2/3, but not below the floor
  expect_guarantee([](double) { return 0.89; }, 0.10, 0.05, 0.0);              // nothing is safe: all is chance
  expect_guarantee([](double p) { return p < 0.5 ? 0.5 : 0.97; }, 0.10, 0.10, 0.10);
}

TEST(Threshold, ATestWithoutCorrectionWouldBreakIt) {
  // What the guarantee above is worth: accepting by the empirical error rate alone breaks alpha far more often.
  std::mt19937_64 random(42);
  int violations = 0;
  for (int set = 0; set < 200; ++set) {
    size_t errors = 0;
    for (int i = 0; i < 300; ++i) errors += uniform01(random) < 0.11 ? 1 : 0;
    violations += static_cast<double>(errors) <= 0.10 * 300 ? 1 : 0;
  }
  EXPECT_GT(violations, 20);
}

}  // namespace
}  // namespace kedge::router
