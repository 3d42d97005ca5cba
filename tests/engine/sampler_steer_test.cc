// Samplers that steer by what was drawn, and the temperature that goes by the entropy: against what their papers say,
// in plain double arithmetic.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "engine/sampler.h"

namespace kedge::engine {
namespace {

using Probabilities = std::vector<double>;

std::vector<float> random_logits(size_t n, unsigned seed, float spread) {
  std::mt19937 gen(seed);
  std::normal_distribution<float> d(0.0f, spread);
  std::vector<float> x(n);
  for (float& v : x) v = d(gen);
  return x;
}

Probabilities softmax(const std::vector<float>& logits, double temperature = 1.0) {
  Probabilities p(logits.size());
  for (size_t i = 0; i < p.size(); ++i) p[i] = std::exp(static_cast<double>(logits[i]) / temperature);
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= sum;
  return p;
}

double entropy(const Probabilities& p) {
  double h = 0;
  for (const double x : p) h -= x * std::log(x);
  return h;
}

// 20,000 draws of one distribution.
void expect_fair(const SamplerOptions& options, const std::vector<float>& logits, const Probabilities& p) {
  auto sampler = Sampler::create(options, logits.size());
  ASSERT_TRUE(sampler.ok()) << sampler.error().message;
  constexpr int kDraws = 20000;
  std::vector<double> counts(p.size());
  for (int i = 0; i < kDraws; ++i) counts[static_cast<size_t>(*sampler->next(logits, {}, i))] += 1;
  double chi2 = 0;
  double rest_p = 0;
  double rest_n = 0;
  int cells = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] == 0) {
      EXPECT_EQ(counts[i], 0) << i;
    }
    if (p[i] * kDraws < 10) {
      rest_p += p[i];
      rest_n += counts[i];
      continue;
    }
    chi2 += std::pow(counts[i] - p[i] * kDraws, 2) / (p[i] * kDraws);
    ++cells;
  }
  if (rest_p * kDraws >= 10) {
    chi2 += std::pow(rest_n - rest_p * kDraws, 2) / (rest_p * kDraws);
    ++cells;
  }
  ASSERT_GT(cells, 1);
  EXPECT_LT(chi2, cells - 1 + 4 * std::sqrt(2.0 * (cells - 1))) << cells << " cells";
}

std::vector<std::pair<std::string, double>> alone(std::vector<std::pair<std::string, double>> settings) {
  for (const auto& [name, value] : {std::pair{"top_k", 0.0}, {"top_p", 1.0}, {"min_p", 0.0}}) {
    settings.emplace_back(name, value);
  }
  return settings;
}

TEST(DynamicTemperature, GoesByTheEntropy) {
  for (unsigned seed = 0; seed < 2; ++seed) {
    const auto logits = random_logits(60, seed, seed % 2 == 0 ? 1.0f : 3.0f);
    for (const auto& [t, range, exponent] : {std::tuple{0.8, 0.5, 1.0}, {1.0, 1.5, 0.5}, {0.6, 0.3, 2.0}}) {
      const double share = entropy(softmax(logits)) / std::log(60.0);
      const double lowest = std::max(0.0, t - range);
      const double dynamic = lowest + (t + range - lowest) * std::pow(share, exponent);
      const SamplerOptions options = {
          .settings = alone({{"temperature", t}, {"dynatemp_range", range}, {"dynatemp_exponent", exponent}}),
          .seed = seed};
      expect_fair(options, logits, softmax(logits, dynamic));
    }
  }
}

TEST(DynamicTemperature, CertaintyAndZeroStayGreedy) {
  const std::vector<float> certain = {0.0f, 2000.0f, 0.0f};
  auto s = Sampler::create({.settings = alone({{"temperature", 1}, {"dynatemp_range", 2}})}, 3);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(*s->next(certain, {}, i), 1);
  auto zero = Sampler::create({.settings = alone({{"temperature", 0}, {"dynatemp_range", 2}})}, 3);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(*zero->next(std::vector<float>{1.0f, 1.1f, 1.0f}, {}, i), 1);
}

// What the two algorithms keep, from the paper, for one token with mu as it is at the beginning.
Probabilities mirostat_oracle(int version, const std::vector<float>& logits, double mu) {
  const Probabilities p = softmax(logits);
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
  size_t k = 0;
  if (version == 1) {
    double numerator = 0;
    double denominator = 0;
    for (size_t i = 1; i < std::min<size_t>(100, p.size()); ++i) {
      const double t = std::log((static_cast<double>(i) + 1) / static_cast<double>(i));
      numerator += t * std::log(p[order[i - 1]] / p[order[i]]);
      denominator += t * t;
    }
    const double s = numerator / denominator;
    const double e = s - 1;
    const auto n = static_cast<double>(p.size());
    k = static_cast<size_t>(std::pow(e * std::pow(2, mu) / (1 - std::pow(n, -e)), 1 / s));
  } else {
    while (k < p.size() && -std::log2(p[order[k]]) <= mu) ++k;
  }
  k = std::clamp<size_t>(k, 1, p.size());
  Probabilities kept(p.size());
  double sum = 0;
  for (size_t i = 0; i < k; ++i) sum += kept[order[i]] = p[order[i]];
  for (double& x : kept) x /= sum;
  return kept;
}

// With eta = 0 nothing is learnt: every draw is one of the first distribution.
TEST(Mirostat, CutsWhereThePaperSays) {
  for (unsigned seed = 0; seed < 2; ++seed) {
    const auto logits = random_logits(150, seed, 1.5f);
    for (const int version : {1, 2}) {
      for (const double tau : {2.5, 3.2}) {
        const SamplerOptions options = {
            .settings = {{"mirostat", version}, {"mirostat_tau", tau}, {"mirostat_eta", 0}, {"temperature", 1}},
            .seed = seed};
        const Probabilities kept = mirostat_oracle(version, logits, 2 * tau);
        ASSERT_GT(std::count_if(kept.begin(), kept.end(), [](double x) { return x > 0; }), 1);
        expect_fair(options, logits, kept);
      }
    }
  }
}

// Distributions that change from token to token: the average surprise comes to tau.
TEST(Mirostat, SurpriseConvergesToTau) {
  std::vector<std::vector<float>> rows;
  std::vector<Probabilities> p;
  for (unsigned i = 0; i < 16; ++i) {
    rows.push_back(random_logits(1000, i, 2.0f + 0.2f * static_cast<float>(i)));
    p.push_back(softmax(rows.back()));
  }
  for (const int version : {1, 2}) {
    for (const double tau : {2.5, 4.0}) {
      auto s = Sampler::create({.settings = {{"mirostat", version}, {"mirostat_tau", tau}, {"temperature", 1}}}, 1000);
      ASSERT_TRUE(s.ok());
      double sum = 0;
      constexpr int kTokens = 3000;
      for (int i = 0; i < kTokens; ++i) {
        const size_t row = static_cast<size_t>(i) % rows.size();
        sum -= std::log2(p[row][static_cast<size_t>(*s->next(rows[row], {}, i))]);
      }
      EXPECT_NEAR(sum / kTokens, tau, 0.05) << "mirostat " << version;
    }
  }
}

TEST(Mirostat, FlatAndSingleCandidatesAreFine) {
  for (const int version : {1, 2}) {
    auto s = Sampler::create({.settings = {{"mirostat", version}}}, 64);
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(s->next(std::vector<float>(64, 1.0f), {}, i).ok());
    auto one = Sampler::create({.settings = {{"mirostat", version}}}, 1);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(*one->next(std::vector<float>{3.0f}, {}, i), 0);
  }
}

Probabilities adaptive_oracle(const Probabilities& p, double target) {
  Probabilities q(p.size());
  for (size_t i = 0; i < p.size(); ++i) {
    const double d = std::fabs(p[i] - target) / 0.3;
    q[i] = std::exp(5 - 10 * d * d / (1 + d));
  }
  const double sum = std::accumulate(q.begin(), q.end(), 0.0);
  for (double& x : q) x /= sum;
  return q;
}

// The first token of 20,000 answers: the target is what it was given as.
TEST(AdaptiveP, FirstTokenPrefersTheTarget) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.25f), std::log(0.15f), std::log(0.1f)};
  for (const double target : {0.0, 0.3, 0.9}) {
    std::vector<double> counts(4);
    constexpr int kDraws = 20000;
    for (int i = 0; i < kDraws; ++i) {
      auto s = Sampler::create(
          {.settings = alone({{"adaptive_target", target}, {"temperature", 1}}), .request = static_cast<uint64_t>(i)},
          4);
      counts[static_cast<size_t>(*s->next(logits, {}, 0))] += 1;
    }
    const Probabilities q = adaptive_oracle({0.5, 0.25, 0.15, 0.1}, target);
    double chi2 = 0;
    for (size_t i = 0; i < 4; ++i) chi2 += std::pow(counts[i] - q[i] * kDraws, 2) / (q[i] * kDraws);
    EXPECT_LT(chi2, 3 + 4 * std::sqrt(6.0)) << target;
  }
}

// A thousand tokens one after the other, each against the distribution that follows from those before.
TEST(AdaptiveP, TargetMovesAgainstWhatWasDrawn) {
  constexpr double kTarget = 0.4;
  constexpr double kDecay = 0.8;
  const auto logits = random_logits(12, 4, 1.5f);
  const Probabilities p = softmax(logits);
  auto s = Sampler::create(
      {.settings = alone({{"adaptive_target", kTarget}, {"adaptive_decay", kDecay}, {"temperature", 1}})}, 12);
  double weight = 1 / (1 - kDecay);
  double sum = kTarget * weight;
  double expected = 0;  // of the most likely token, by the oracle
  double variance = 0;
  double seen = 0;
  const auto best = static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
  for (int i = 0; i < 4000; ++i) {
    const Probabilities q = adaptive_oracle(p, std::clamp(2 * kTarget - sum / weight, 0.0, 1.0));
    const auto token = static_cast<size_t>(*s->next(logits, {}, i));
    expected += q[best];
    variance += q[best] * (1 - q[best]);
    seen += token == best ? 1 : 0;
    sum = p[token] + kDecay * sum;
    weight = 1 + kDecay * weight;
  }
  EXPECT_NEAR(seen, expected, 4 * std::sqrt(variance));
}

}  // namespace
}  // namespace kedge::engine
