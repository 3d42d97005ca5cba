// Samplers against plain double-precision definitions, the order of the chain, the fairness of the draw, and errors.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "engine/sampler_math.h"

namespace kedge::engine {
namespace {

using Logits = std::map<int32_t, double>;  // by token

std::vector<float> random_logits(size_t n, unsigned seed, float spread = 3.0f) {
  std::mt19937 gen(seed);
  std::normal_distribution<float> d(0.0f, spread);
  std::vector<float> x(n);
  for (float& v : x) v = d(gen);
  return x;
}

const SamplerDef& def(const std::string& name) {
  for (const SamplerDef* d : sampler_defs()) {
    if (name == d->name) return *d;
  }
  ADD_FAILURE() << "no sampler " << name;
  return *sampler_defs().front();
}

// What one sampler leaves of the logits.
Logits apply(const std::string& name, const std::vector<double>& settings, const std::vector<float>& logits,
             const std::vector<int32_t>& history = {}, const std::vector<uint8_t>& breakers = {}, uint64_t seed = 0) {
  Candidates c;
  c.reset(logits);
  std::vector<int32_t> scratch;
  std::vector<Candidate> scratch_candidates;
  SamplerContext context{settings, history, breakers, {seed, 0, 0, 1}, scratch, scratch_candidates};
  def(name).apply(c, context);
  Logits out;
  int32_t last = -1;
  for (const Candidate& x : c.items()) {
    EXPECT_GT(x.id, last) << "not in ascending id";
    last = x.id;
    out[x.id] = x.logit;
  }
  return out;
}

Logits all(const std::vector<float>& logits) {
  Logits out;
  for (size_t i = 0; i < logits.size(); ++i) out[static_cast<int32_t>(i)] = logits[i];
  return out;
}

std::map<int32_t, double> softmax(const Logits& l) {
  double best = -INFINITY;
  for (const auto& [id, x] : l) best = std::max(best, x);
  double sum = 0;
  std::map<int32_t, double> p;
  for (const auto& [id, x] : l) sum += p[id] = std::exp(x - best);
  for (auto& [id, x] : p) x /= sum;
  return p;
}

// Tokens by descending key, ties by ascending id.
std::vector<int32_t> ranked(const std::map<int32_t, double>& key) {
  std::vector<int32_t> ids;
  for (const auto& [id, x] : key) ids.push_back(id);
  std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return key.at(a) > key.at(b); });
  return ids;
}

Logits restrict_to(const Logits& l, std::vector<int32_t> ids) {
  Logits out;
  for (const int32_t id : ids) out[id] = l.at(id);
  return out;
}

Logits oracle_top_p(const Logits& l, double p) {
  const auto probs = softmax(l);
  std::vector<int32_t> kept;
  double sum = 0;
  for (const int32_t id : ranked(l)) {
    kept.push_back(id);
    if ((sum += probs.at(id)) >= p) break;
  }
  return restrict_to(l, kept);
}

Logits oracle_typical(const Logits& l, double p) {
  const auto probs = softmax(l);
  double entropy = 0;
  for (const auto& [id, q] : probs) entropy -= q * std::log(q);
  std::map<int32_t, double> near;
  for (const auto& [id, q] : probs) near[id] = -std::fabs(-std::log(q) - entropy);
  std::vector<int32_t> kept;
  double sum = 0;
  for (const int32_t id : ranked(near)) {
    kept.push_back(id);
    if ((sum += probs.at(id)) > p) break;
  }
  return restrict_to(l, kept);
}

Logits oracle_min_p(const Logits& l, double min_p) {
  const auto probs = softmax(l);
  double best = 0;
  for (const auto& [id, q] : probs) best = std::max(best, q);
  Logits out;
  for (const auto& [id, x] : l) {
    if (probs.at(id) >= min_p * best) out[id] = x;
  }
  return out;
}

Logits oracle_penalties(Logits l, std::vector<int32_t> history, size_t last_n, double repeat, double frequency,
                        double presence) {
  std::map<int32_t, int> counts;
  for (size_t i = history.size() - std::min(last_n, history.size()); i < history.size(); ++i) ++counts[history[i]];
  for (const auto& [id, n] : counts) {
    double& x = l.at(id);
    x = x <= 0 ? x * repeat : x / repeat;
    x -= n * frequency + presence;
  }
  return l;
}

Logits oracle_top_k(const Logits& l, size_t k) {
  auto ids = ranked(l);
  ids.resize(std::min(k, ids.size()));
  return restrict_to(l, ids);
}

// The definition, without the Z-algorithm: the longest common suffix of every earlier place with the end.
Logits oracle_dry(Logits l, const std::vector<int32_t>& history, size_t last_n, double multiplier, double base,
                  size_t allowed, const std::vector<uint8_t>& breakers) {
  const std::vector<int32_t> r(history.end() - static_cast<ptrdiff_t>(std::min(last_n, history.size())), history.end());
  size_t limit = 0;
  while (limit < r.size() && (breakers.empty() || breakers[static_cast<size_t>(r[r.size() - 1 - limit])] == 0)) ++limit;
  std::map<int32_t, size_t> longest;
  for (size_t end = 1; end < r.size(); ++end) {  // r[end] follows the earlier occurrence r[..end)
    size_t len = 0;
    while (len < end && r[end - 1 - len] == r[r.size() - 1 - len]) ++len;
    len = std::min(len, limit);
    if (len >= allowed) longest[r[end]] = std::max(longest[r[end]], len);
  }
  for (const auto& [id, len] : longest) l.at(id) -= multiplier * std::pow(base, static_cast<double>(len - allowed));
  return l;
}

void expect_close(const Logits& got, const Logits& want, double tolerance = 1e-12) {
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [id, x] : want) {
    ASSERT_TRUE(got.contains(id)) << id;
    EXPECT_NEAR(got.at(id), x, tolerance * std::max(1.0, std::fabs(x))) << id;
  }
}

TEST(SamplerMath, ExpAndLogMatchTheLibrary) {
  for (double x = -700; x <= 700; x += 0.377) EXPECT_NEAR(stable_exp(x) / std::exp(x), 1.0, 1e-15) << x;
  EXPECT_EQ(stable_exp(0.0), 1.0);
  EXPECT_EQ(stable_exp(-1e300), 0.0);
  for (double x = 1e-300; x < 1e300; x *= 1.37)
    EXPECT_NEAR(stable_log(x), std::log(x), 1e-15 * std::fabs(std::log(x)) + 1e-16) << x;
  EXPECT_EQ(stable_log(1.0), 0.0);
}

// Random123's known answers for philox4x32-10.
TEST(Philox, KnownAnswers) {
  using C = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (C{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t f = 0xffffffff;
  EXPECT_EQ(philox4x32({f, f, f, f}, {f, f}), (C{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (C{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Samplers, TopKMinPTopPTypicalMatchTheirDefinitions) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    for (const size_t n : {1u, 2u, 50u, 1500u}) {
      const auto logits = random_logits(n, seed);
      const Logits l = all(logits);
      for (const size_t k : {1u, 2u, 40u, 5000u}) {
        expect_close(apply("top_k", {static_cast<double>(k)}, logits), oracle_top_k(l, k));
      }
      for (const double p : {0.0, 0.1, 0.5, 0.95, 0.999}) {
        expect_close(apply("top_p", {p}, logits), oracle_top_p(l, p));
        expect_close(apply("typical", {p}, logits), oracle_typical(l, p));
      }
      for (const double p : {0.01, 0.05, 0.3, 1.0}) expect_close(apply("min_p", {p}, logits), oracle_min_p(l, p));
    }
  }
}

TEST(Samplers, TopNSigmaKeepsWithinDeviations) {
  const auto logits = random_logits(500, 3);
  const double mean = std::accumulate(logits.begin(), logits.end(), 0.0) / 500;
  double squares = 0;
  for (const float x : logits) squares += (x - mean) * (x - mean);
  const double sigma = std::sqrt(squares / 500);
  const double best = *std::max_element(logits.begin(), logits.end());
  for (const double n : {0.5, 1.0, 2.0}) {
    Logits want;
    for (const auto& [id, x] : all(logits)) {
      if (x >= best - n * sigma) want[id] = x;
    }
    expect_close(apply("top_n_sigma", {n}, logits), want);
  }
}

TEST(Samplers, PenaltiesCountTheLastTokens) {
  const auto logits = random_logits(30, 5);
  std::mt19937 gen(1);
  std::vector<int32_t> history(100);
  for (int32_t& t : history) t = static_cast<int32_t>(gen() % 30);
  for (const double last_n : {1.0, 64.0, 1000.0, -1.0}) {
    const size_t n = last_n < 0 ? 100 : static_cast<size_t>(last_n);
    expect_close(apply("penalties", {last_n, 1.3, 0.2, 0.5}, logits, history),
                 oracle_penalties(all(logits), history, n, 1.3, 0.2, 0.5));
  }
  EXPECT_FALSE(def("penalties").active(std::vector<double>{64, 1.0, 0.0, 0.0}));
  EXPECT_FALSE(def("penalties").active(std::vector<double>{0, 1.5, 1.0, 1.0}));
}

TEST(Samplers, DryMatchesItsDefinition) {
  std::mt19937 gen(7);
  for (int round = 0; round < 300; ++round) {
    const auto logits = random_logits(6, static_cast<unsigned>(round));
    std::vector<int32_t> history(gen() % 60);
    const auto kinds = 1 + gen() % 5;
    for (int32_t& t : history) t = static_cast<int32_t>(gen() % kinds);
    std::vector<uint8_t> breakers;
    if (round % 2 == 1) breakers = {0, 0, 0, 1, 0, 0};
    const double last_n = round % 3 == 0 ? -1 : 1 + static_cast<double>(gen() % 50);
    const size_t n = last_n < 0 ? history.size() : static_cast<size_t>(last_n);
    const size_t allowed = 1 + gen() % 4;
    expect_close(apply("dry", {0.8, 1.75, static_cast<double>(allowed), last_n}, logits, history, breakers),
                 oracle_dry(all(logits), history, n, 0.8, 1.75, allowed, breakers), 1e-10);
  }
}

TEST(Samplers, DryOfALongRepetitionStaysFinite) {
  const std::vector<float> logits = {1.0f, 2.0f};
  const auto got = apply("dry", {1.0, 1.75, 2, -1}, logits, std::vector<int32_t>(20000, 1));
  EXPECT_TRUE(std::isfinite(got.at(1)));
  EXPECT_LT(got.at(1), -1e20);
}

TEST(Samplers, XtcDropsAllButTheLeastOfTheTopChoices) {
  const std::vector<float> logits = {0.0f, 2.0f, 1.5f, -3.0f, 1.8f};  // shares about .06 .38 .23 .003 .31
  EXPECT_EQ(apply("xtc", {1.0, 0.1}, logits).size(), 3u);
  EXPECT_TRUE(apply("xtc", {1.0, 0.1}, logits).contains(2));
  EXPECT_EQ(apply("xtc", {1.0, 0.35}, logits).size(), 5u);  // a single top choice stays
  int dropped = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) dropped += apply("xtc", {0.25, 0.1}, logits, {}, {}, seed).size() == 3;
  EXPECT_NEAR(dropped, 500, 80);
}

TEST(Samplers, TemperatureScalesAndZeroIsGreedy) {
  const std::vector<float> logits = {1.0f, 3.0f, 3.0f, -2.0f};
  const auto p = softmax(apply("temperature", {0.5, 0, 1}, logits));
  const auto want = softmax({{0, 2}, {1, 6}, {2, 6}, {3, -4}});
  for (const auto& [id, x] : want) EXPECT_NEAR(p.at(id), x, 1e-14);
  EXPECT_EQ(ranked(apply("temperature", {0.0, 0, 1}, logits)), std::vector<int32_t>{1});
  for (const auto& [id, x] : apply("temperature", {1e-310, 0, 1}, logits)) EXPECT_TRUE(std::isfinite(x)) << id;
}

TEST(Samplers, TiesGoToTheLowestId) {
  const std::vector<float> logits(100, 0.5f);
  EXPECT_EQ(apply("top_k", {3}, logits).rbegin()->first, 2);
  EXPECT_EQ(apply("top_p", {0.05}, logits).rbegin()->first, 4);
  EXPECT_EQ(apply("typical", {0.045}, logits).rbegin()->first, 4);
}

TEST(Sampler, OrderAndDefaultsAreTheStandardOnes) {
  std::vector<std::string> order;
  for (const SamplerDef* d : sampler_defs()) order.emplace_back(d->name);
  EXPECT_EQ(order, (std::vector<std::string>{"penalties", "dry", "top_n_sigma", "top_k", "typical", "top_p", "min_p",
                                             "xtc", "temperature", "adaptive_p", "mirostat"}));
  auto s = Sampler::create({}, 10);
  ASSERT_TRUE(s.ok());
  std::map<std::string, double> v;
  for (const auto& [name, value] : s->effective()) v[name] = value;
  const std::map<std::string, double> want = {{"repeat_last_n", 64},     {"repeat_penalty", 1},
                                              {"frequency_penalty", 0},  {"presence_penalty", 0},
                                              {"dry_multiplier", 0},     {"dry_base", 1.75},
                                              {"dry_allowed_length", 2}, {"dry_penalty_last_n", 64},
                                              {"top_n_sigma", -1},       {"top_k", 40},
                                              {"typical_p", 1},          {"top_p", 0.95},
                                              {"min_p", 0.05},           {"xtc_probability", 0},
                                              {"xtc_threshold", 0.1},    {"temperature", 0.8},
                                              {"dynatemp_range", 0},     {"dynatemp_exponent", 1},
                                              {"adaptive_target", -1},   {"adaptive_decay", 0.9},
                                              {"mirostat", 0},           {"mirostat_tau", 5},
                                              {"mirostat_eta", 0.1}};
  EXPECT_EQ(v, want);
}

// Every draw for 20,000 positions against the distribution that the definitions give, one after the other.
void expect_fair(const SamplerOptions& options, const std::vector<float>& logits, const Logits& want) {
  auto sampler = Sampler::create(options, logits.size());
  ASSERT_TRUE(sampler.ok()) << sampler.error().message;
  const auto p = softmax(want);
  std::map<int32_t, int> counts;
  const int n = 20000;
  for (int position = 0; position < n; ++position) {
    const auto token = sampler->next(logits, {}, position);
    ASSERT_TRUE(token.ok());
    ASSERT_TRUE(p.contains(*token)) << *token;
    ++counts[*token];
  }
  double chi2 = 0;
  double rest_p = 0;
  double rest_n = 0;
  int cells = 0;
  for (const auto& [id, q] : p) {
    if (q * n < 10) {
      rest_p += q;
      rest_n += counts[id];
      continue;
    }
    chi2 += std::pow(counts[id] - q * n, 2) / (q * n);
    ++cells;
  }
  if (rest_p * n >= 10) {
    chi2 += std::pow(rest_n - rest_p * n, 2) / (rest_p * n);
    ++cells;
  }
  const double freedom = std::max(1, cells - 1);
  EXPECT_LT(chi2, freedom + 4 * std::sqrt(2 * freedom)) << cells << " cells";
}

TEST(Sampler, DrawsFollowTheDistribution) {
  const auto logits = random_logits(200, 11, 2.0f);
  const Logits l = all(logits);
  const SamplerOptions off = {.settings = {{"top_k", 0}, {"top_p", 1}, {"min_p", 0}, {"temperature", 1}}, .seed = 5};
  expect_fair(off, logits, l);
  Logits standard = oracle_min_p(oracle_top_p(oracle_top_k(l, 40), 0.95), 0.05);
  for (auto& [id, x] : standard) x /= 0.8;
  for (const uint64_t seed : {uint64_t{1}, uint64_t{77}, ~uint64_t{0}}) expect_fair({.seed = seed}, logits, standard);
}

TEST(Sampler, BiasComesFirst) {
  const std::vector<float> logits = {5.0f, 1.0f, 0.0f};
  const auto choose = [&](std::vector<LogitBias> bias) {
    auto s = Sampler::create({.settings = {{"temperature", 0}}, .logit_bias = std::move(bias)}, 3);
    const auto token = s->next(logits, {}, 0);
    return token.ok() ? *token : -1;
  };
  EXPECT_EQ(choose({}), 0);
  EXPECT_EQ(choose({{1, 4.5f}}), 1);
  EXPECT_EQ(choose({{2, 3.0f}, {2, 3.0f}}), 2);
  EXPECT_EQ(choose({{0, -INFINITY}}), 1);
  EXPECT_EQ(choose({{0, -INFINITY}, {1, -INFINITY}, {2, -INFINITY}}), -1);
}

TEST(Sampler, GreedyIgnoresFiltersThatKeepTheBest) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    const auto logits = random_logits(300, seed);
    const auto best = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    auto s = Sampler::create({.settings = {{"temperature", 0}, {"top_k", 3}, {"top_p", 0.1}}}, 300);
    EXPECT_EQ(*s->next(logits, {}, 0), best);
    const std::vector<int32_t> history = {best};
    auto penalised = Sampler::create({.settings = {{"temperature", 0}, {"presence_penalty", 100}}}, 300);
    EXPECT_NE(*penalised->next(logits, history, 1), best);
  }
}

// What is found without a list of all tokens is what the list would give: a penalty without a history does nothing but
// ask for the list.
TEST(Sampler, TheBestAreFoundWithoutAListOfAll) {
  std::mt19937 random(3);
  for (unsigned seed = 0; seed < 200; ++seed) {
    auto logits = random_logits(1 + seed * 7 % 900, seed);
    const bool ties = seed % 2 == 0;
    for (float& l : logits) l = ties ? std::round(l) : l;
    const auto n = static_cast<uint32_t>(logits.size());
    SamplerOptions options{.seed = seed};
    for (unsigned i = 0; i < seed % 9 && i + 1 < n; ++i) {
      const auto token = static_cast<int32_t>(random() % n);
      options.logit_bias.push_back({token, i % 3 == 0 ? -INFINITY : static_cast<float>(i) - 2.0f});
      if (i % 4 == 0) options.logit_bias.push_back({token, 0.3f});
    }
    options.settings = {{"temperature", seed % 3 == 0 ? 0.0 : 1.3}, {"top_k", 1 + seed % 50}};
    auto direct = Sampler::create(options, n);
    options.settings.push_back({"presence_penalty", 1.0});
    auto listed = Sampler::create(options, n);
    for (int position = 0; position < 5; ++position) {
      EXPECT_EQ(*direct->next(logits, {}, position), *listed->next(logits, {}, position)) << seed;
    }
  }
}

TEST(Candidates, TheBestOfAllInTheOrderOfIds) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    auto logits = random_logits(1000 + seed, seed);
    for (float& l : logits) l = std::round(l * 2) / 2;
    const std::vector<Candidate> changed = {{9.0, 0}, {-INFINITY, 17}, {0.25, static_cast<int32_t>(logits.size()) - 1}};
    Candidates all_of;
    all_of.reset(logits);
    for (const Candidate& c : changed) all_of.find(c.id)->logit = c.logit;
    all_of.keep_if([](const Candidate& c, size_t) { return !std::isinf(c.logit); });
    for (const size_t n : {1, 2, 40, 999, 5000}) {
      Candidates best;
      ASSERT_TRUE(best.reset_to_best(logits, changed, n));
      Candidates wanted = all_of;
      if (n < wanted.size()) wanted.keep_from(wanted.best(n).back());
      ASSERT_EQ(best.size(), wanted.size());
      for (size_t i = 0; i < best.size(); ++i) {
        EXPECT_EQ(best.items()[i].id, wanted.items()[i].id);
        EXPECT_EQ(best.items()[i].logit, wanted.items()[i].logit);
      }
    }
    logits[seed * 13] = seed % 2 == 0 ? INFINITY : std::numeric_limits<float>::quiet_NaN();
    Candidates best;
    EXPECT_FALSE(best.reset_to_best(logits, changed, 3));
  }
}

TEST(Sampler, ADrawDependsOnSeedRequestAndPositionOnly) {
  const auto logits = random_logits(1000, 2, 0.5f);
  auto a = Sampler::create({.settings = {{"top_k", 0}}, .seed = 9, .request = 4}, 1000);
  auto b = Sampler::create({.settings = {{"top_k", 0}}, .seed = 9, .request = 4}, 1000);
  std::vector<int32_t> forward;
  for (int i = 0; i < 50; ++i) forward.push_back(*a->next(logits, {}, i));
  for (int i = 49; i >= 0; --i) EXPECT_EQ(*b->next(logits, {}, i), forward[static_cast<size_t>(i)]);
  auto other = Sampler::create({.settings = {{"top_k", 0}}, .seed = 9, .request = 5}, 1000);
  int equal = 0;
  for (int i = 0; i < 50; ++i) equal += *other->next(logits, {}, i) == forward[static_cast<size_t>(i)];
  EXPECT_LT(equal, 10);
}

TEST(Sampler, LogitsThatAreNoNumbersAreAnError) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY}) {
    for (const double temperature : {0.0, 0.8}) {
      auto s = Sampler::create({.settings = {{"temperature", temperature}}}, 3);
      const auto token = s->next(std::vector<float>{1.0f, bad, 0.0f}, {}, 17);
      ASSERT_FALSE(token.ok());
      EXPECT_EQ(token.error().code, ErrorCode::kInternal);
      EXPECT_NE(token.error().message.find("token 1 at position 17"), std::string::npos) << token.error().message;
    }
  }
  auto s = Sampler::create({}, 3);
  EXPECT_FALSE(s->next(std::vector<float>{1.0f}, {}, 0).ok());
}

TEST(Sampler, ErrorsNameTheSettingTheValueAndTheRange) {
  const auto message = [](std::vector<std::pair<std::string, double>> settings, std::vector<LogitBias> bias = {}) {
    const auto s = Sampler::create({.settings = std::move(settings), .logit_bias = std::move(bias)}, 5);
    return s.ok() ? "" : s.error().message;
  };
  EXPECT_EQ(message({{"top_p", 1.5}}), "top_p = 1.5 is outside 0 to 1");
  EXPECT_EQ(message({{"temperature", std::nan("")}}), "temperature = nan is outside 0 to 100");
  EXPECT_EQ(message({{"top_k", 2.5}}), "top_k = 2.5 is not an integer");
  EXPECT_EQ(message({{"top_k", 2}, {"top_k", 3}}), "setting top_k is given twice");
  EXPECT_NE(message({{"temp", 1}}).find("unknown setting 'temp'; known are repeat_last_n, "), std::string::npos);
  EXPECT_EQ(message({}, {{5, 1.0f}}), "logit bias of token 5: the vocabulary has 5 tokens");
  EXPECT_EQ(message({}, {{1, INFINITY}}), "logit bias of token 1 is inf");
}

TEST(LogProbabilities, ComeFromTheRawLogits) {
  const auto logits = random_logits(5000, 21);
  const auto p = softmax(all(logits));
  const auto order = ranked(all(logits));
  std::vector<TokenLogprob> out(6);
  log_probabilities(logits, 123, out);
  EXPECT_EQ(out[0].token, 123);
  EXPECT_NEAR(out[0].logprob, std::log(p.at(123)), 1e-12);
  for (size_t i = 1; i < out.size(); ++i) {
    EXPECT_EQ(out[i].token, order[i - 1]);
    EXPECT_NEAR(out[i].logprob, std::log(p.at(order[i - 1])), 1e-12);
  }
  std::vector<TokenLogprob> tied(4);
  log_probabilities(std::vector<float>(3, 1.0f), 2, tied);
  EXPECT_EQ(tied[1].token, 0);
  EXPECT_EQ(tied[3].token, 2);
  EXPECT_NEAR(tied[0].logprob, -std::log(3.0), 1e-15);
}

}  // namespace
}  // namespace kedge::engine
