// What is measured of logits, against a double-precision softmax; and the numbers made of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "kernels/isa.h"
#include "router/answer_trace.h"
#include "router/feature.h"

namespace kedge::router {
namespace {

std::vector<float> random_logits(size_t n, unsigned seed, float spread) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> logits(n);
  for (float& l : logits) l = normal(random);
  return logits;
}

// The definition, in double.
TokenStats oracle(const std::vector<float>& logits, int32_t token) {
  const double best = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  for (const float l : logits) p.push_back(std::exp(l - best));
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  TokenStats t{.token = token, .logprob = logits[static_cast<size_t>(token)] - best - std::log(total)};
  for (double& x : p) {
    x /= total;
    if (x > 0) t.entropy -= x * std::log(x);
  }
  std::vector<float> sorted = logits;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  t.margin = sorted.size() > 1 ? static_cast<double>(sorted[0]) - sorted[1] : 0;
  std::sort(p.begin(), p.end(), std::greater<>());
  for (size_t i = 0; i < std::min(p.size(), kTopMass); ++i) t.top_mass += p[i];
  return t;
}

std::vector<std::vector<float>> rows() {
  std::vector<std::vector<float>> all;
  for (const size_t n : {2UL, 9UL, 10UL, 255UL, 257UL, 1000UL, 16384UL}) {
    for (const float spread : {0.01F, 1.0F, 4.5F, 20.0F}) {
      all.push_back(random_logits(n, static_cast<unsigned>(n) + static_cast<unsigned>(spread), spread));
    }
  }
  all.push_back(std::vector<float>(300, 1.5F));  // all equal
  auto tied = random_logits(500, 7, 2.0F);
  tied[3] = tied[400] = 30.0F;
  all.push_back(tied);
  auto peaked = random_logits(16384, 8, 3.0F);
  peaked[12345] = 80.0F;
  all.push_back(peaked);
  return all;
}

TEST(Trace, AgreesWithADoublePrecisionSoftmax) {
  TraceCollector trace(**active_kernels());
  for (const auto& logits : rows()) {
    for (const size_t token : {size_t{0}, logits.size() / 2, logits.size() - 1}) {
      trace.clear();
      trace.add(logits, static_cast<int32_t>(token));
      const TokenStats got = trace.tokens()[0];
      const TokenStats want = oracle(logits, static_cast<int32_t>(token));
      const std::string where = std::to_string(logits.size()) + " logits, token " + std::to_string(token);
      EXPECT_NEAR(got.logprob, want.logprob, 2e-5) << where;
      EXPECT_EQ(got.margin, want.margin) << where;
      EXPECT_NEAR(got.entropy, want.entropy, 2e-4) << where;
      EXPECT_NEAR(got.top_mass, want.top_mass, 2e-5) << where;
      EXPECT_EQ(got.token, static_cast<int32_t>(token));
    }
  }
}

TEST(Trace, SameBitsWithEveryInstructionSet) {
  const auto all = usable_kernels();
  ASSERT_GE(all.size(), 2U) << "nothing to compare";
  for (const auto& logits : rows()) {
    std::vector<TokenStats> stats;
    std::vector<std::string> hashes;
    for (const KernelTable* kernels : all) {
      TraceCollector trace(*kernels);
      trace.add(logits, 1);
      stats.push_back(trace.tokens()[0]);
      hashes.push_back(trace.logits_hash());
    }
    for (size_t i = 1; i < stats.size(); ++i) {
      EXPECT_EQ(stats[i].logprob, stats[0].logprob) << all[i]->name << ", " << logits.size();
      EXPECT_EQ(stats[i].entropy, stats[0].entropy) << all[i]->name << ", " << logits.size();
      EXPECT_EQ(stats[i].top_mass, stats[0].top_mass) << all[i]->name << ", " << logits.size();
      EXPECT_EQ(hashes[i], hashes[0]);
    }
  }
}

TEST(Trace, HashKnowsEveryBitAndTheOrder) {
  const auto a = random_logits(1000, 1, 3.0F);
  const auto b = random_logits(1000, 2, 3.0F);
  const auto hash = [](const std::vector<std::vector<float>>& list) {
    TraceCollector trace(**active_kernels());
    for (const auto& row : list) trace.add(row, 0);
    return trace.logits_hash();
  };
  EXPECT_EQ(hash({a, b}), hash({a, b}));
  EXPECT_NE(hash({a, b}), hash({b, a}));
  EXPECT_NE(hash({a}), hash({a, a}));
  for (const size_t at : {size_t{0}, size_t{500}, size_t{999}}) {
    auto changed = a;
    changed[at] = std::nextafter(changed[at], 100.0F);
    EXPECT_NE(hash({changed}), hash({a})) << at;
  }
}

TEST(Features, FiniteForAnAnswerOfNothingOrOneToken) {
  const AnswerTrace nothing;
  const TokenStats one{.token = 5, .logprob = -0.5, .margin = 2, .entropy = 0.7, .top_mass = 0.9};
  AnswerTrace single;
  single.tokens = {&one, 1};
  single.n_value = 1;
  single.answer = "flax";
  for (const AnswerTrace& trace : {nothing, single}) {
    const auto values = feature_values(trace);
    ASSERT_EQ(values.size(), all_features().size());
    for (size_t i = 0; i < values.size(); ++i) EXPECT_TRUE(std::isfinite(values[i])) << all_features()[i].name;
  }
}

TEST(Features, ByHand) {
  const std::vector<TokenStats> tokens = {
      {.token = 1, .logprob = -0.1, .margin = 4, .entropy = 0.2, .top_mass = 0.99},
      {.token = 2, .logprob = -0.7, .margin = 1, .entropy = 1.0, .top_mass = 0.80},
      {.token = 7, .logprob = -1.3, .margin = 0.5, .entropy = 2.0, .top_mass = 0.60},
      {.token = 6, .logprob = -0.3, .margin = 3, .entropy = 0.4, .top_mass = 0.95}};
  AnswerTrace t;
  t.tokens = tokens;
  t.n_value = 2;  // the third is <|ref|>
  t.question = "Reverse the list: hill, curtain";
  t.answer = "curtain, moon <|ref|> hill";
  t.checks_passed = 2;
  t.checks_failed = 1;
  const auto value = [&](const char* name) {
    const FeatureDef* f = find_feature(name);
    EXPECT_NE(f, nullptr) << name;
    return f == nullptr ? NAN : f->value(t);
  };
  EXPECT_DOUBLE_EQ(value("mean_logprob"), -0.6);
  EXPECT_DOUBLE_EQ(value("min_logprob"), -1.3);
  EXPECT_DOUBLE_EQ(value("q25_logprob"), -0.85);  // between -1.3 and -0.7, three quarters of the way
  EXPECT_NEAR(value("q10_logprob"), -1.12, 1e-12);
  EXPECT_DOUBLE_EQ(value("min_margin"), 0.5);
  EXPECT_DOUBLE_EQ(value("mean_margin"), 2.125);
  EXPECT_DOUBLE_EQ(value("max_entropy"), 2.0);
  EXPECT_DOUBLE_EQ(value("mean_entropy"), 0.9);
  EXPECT_DOUBLE_EQ(value("min_top_mass"), 0.60);
  EXPECT_NEAR(value("min_probability"), std::exp(-1.3), 1e-12);
  EXPECT_DOUBLE_EQ(value("value_min_logprob"), -0.7);
  EXPECT_DOUBLE_EQ(value("value_mean_logprob"), -0.4);
  EXPECT_DOUBLE_EQ(value("value_min_margin"), 1.0);
  EXPECT_DOUBLE_EQ(value("value_max_entropy"), 1.0);
  EXPECT_DOUBLE_EQ(value("first_logprob"), -0.1);
  EXPECT_DOUBLE_EQ(value("first_entropy"), 0.2);
  EXPECT_NEAR(value("length"), std::log(5.0), 1e-12);
  EXPECT_NEAR(value("value_length"), std::log(3.0), 1e-12);
  EXPECT_DOUBLE_EQ(value("copied"), 0.5) << "curtain stands in the question, moon does not; the citation is no answer";
  EXPECT_DOUBLE_EQ(value("checks_passed"), 2.0);
  EXPECT_DOUBLE_EQ(value("checks_failed"), 1.0);
}

}  // namespace
}  // namespace kedge::router
