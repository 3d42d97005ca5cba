// The chain of samplers: masks of what may come, with a bias and without, and the order they run in.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "engine/sampler.h"
#include "engine/token_filter.h"

namespace kedge::engine {
namespace {

std::vector<float> random_logits(size_t n, unsigned seed) {
  std::mt19937 gen(seed);
  std::normal_distribution<float> d(0.0f, 3.0f);
  std::vector<float> x(n);
  for (float& v : x) v = d(gen);
  return x;
}

std::vector<uint64_t> mask_of(size_t n, const std::vector<int32_t>& ids) {
  std::vector<uint64_t> bits(token_words(n));
  for (const int32_t id : ids) bits[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
  return bits;
}

std::vector<int32_t> some_ids(size_t n, unsigned one_in, std::mt19937& random) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < n; ++i) {
    if (random() % one_in == 0) ids.push_back(static_cast<int32_t>(i));
  }
  if (ids.empty()) ids.push_back(static_cast<int32_t>(random() % n));
  return ids;
}

std::vector<std::pair<int32_t, double>> held(const Candidates& c) {
  std::vector<std::pair<int32_t, double>> all;
  for (const Candidate& x : c.items()) all.emplace_back(x.id, x.logit);
  return all;
}

// With a mask, both ways of making candidates are those without one, less what is not allowed.
TEST(SamplerMask, CandidatesAreThoseAllowed) {
  std::mt19937 random(1);
  for (unsigned seed = 0; seed < 120; ++seed) {
    auto logits = random_logits(1 + seed * 13 % 700, seed);
    for (float& l : logits) l = seed % 2 == 0 ? std::round(l) : l;
    const auto ids = some_ids(logits.size(), 1 + seed % 7 * seed % 90, random);
    const auto bits = mask_of(logits.size(), ids);
    std::vector<Candidate> changed;
    for (const int32_t id : some_ids(logits.size(), 100, random)) {
      changed.push_back({random() % 3 == 0 ? -INFINITY : 1.5, id});
    }
    Candidates wanted;
    wanted.reset(logits);
    wanted.keep_if([&](const Candidate& c, size_t) { return std::binary_search(ids.begin(), ids.end(), c.id); });
    Candidates got;
    got.reset(logits, bits);
    EXPECT_EQ(held(got), held(wanted));
    for (const Candidate& c : changed) {
      if (Candidate* found = wanted.find(c.id)) found->logit = c.logit;
    }
    wanted.keep_if([](const Candidate& c, size_t) { return !std::isinf(c.logit); });
    for (const size_t n : {1u, 3u, 40u, 2000u}) {
      Candidates best = wanted;
      if (n < best.size()) best.keep_from(best.best(n).back());
      ASSERT_TRUE(got.reset_to_best(logits, changed, n, bits));
      EXPECT_EQ(held(got), held(best)) << seed << " " << n;
    }
  }
}

// A mask does what forbidding every other token by a bias does, whatever the samplers.
TEST(SamplerMask, IsABiasAgainstAllOthers) {
  std::mt19937 random(2);
  const std::vector<std::vector<std::pair<std::string, double>>> chains = {
      {{"temperature", 0}}, {{"top_k", 5}}, {{"top_k", 0}, {"top_p", 0.9}}, {{"typical_p", 0.5}}, {{"mirostat", 2}}};
  for (unsigned seed = 0; seed < 60; ++seed) {
    const size_t n = 1 + seed * 29 % 500;
    const auto logits = random_logits(n, seed);
    const auto ids = some_ids(n, 1 + seed % 20, random);
    SamplerOptions masked{.settings = chains[seed % chains.size()], .seed = seed};
    masked.logit_bias = {{ids.front(), 0.5f}};
    if (ids.size() > 1) masked.logit_bias.push_back({ids.back(), -INFINITY});
    SamplerOptions biased = masked;
    for (size_t i = 0; i < n; ++i) {
      const auto id = static_cast<int32_t>(i);
      if (!std::binary_search(ids.begin(), ids.end(), id)) biased.logit_bias.push_back({id, -INFINITY});
    }
    auto a = Sampler::create(masked, n);
    auto b = Sampler::create(biased, n);
    for (int position = 0; position < 10; ++position) {
      EXPECT_EQ(*a->next(logits, {}, position, mask_of(n, ids)), *b->next(logits, {}, position)) << seed;
    }
  }
}

TEST(SamplerMask, ErrorsSayWhatIsLeft) {
  const std::vector<float> logits(100, 1.0f);
  for (const double top_k : {0.0, 40.0}) {
    auto s = Sampler::create({.settings = {{"top_k", top_k}}, .logit_bias = {{70, -INFINITY}}}, 100);
    auto plain = Sampler::create({.settings = {{"top_k", top_k}}}, 100);
    EXPECT_EQ(*plain->next(logits, {}, 0, mask_of(100, {70})), 70);
    EXPECT_EQ(plain->next(logits, {}, 0, mask_of(100, {})).error().message, "no token is allowed to come next");
    const auto forbidden = s->next(logits, {}, 0, mask_of(100, {70}));
    EXPECT_EQ(forbidden.error().message, "no token is left: the bias forbids all that may come next");
    EXPECT_EQ(forbidden.error().code, ErrorCode::kInvalidArgument);
    const std::vector<uint64_t> short_mask(1);
    EXPECT_EQ(s->next(logits, {}, 0, short_mask).error().message, "a mask of 100 tokens has 2 words, not 1");
    // Damage is found wherever it is, also among tokens that may not come.
    std::vector<float> damaged = logits;
    damaged[3] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(plain->next(damaged, {}, 0, mask_of(100, {70})).error().code, ErrorCode::kInternal);
  }
  // Bits behind the last token mean nothing.
  std::vector<uint64_t> all(2, ~uint64_t{0});
  auto s = Sampler::create({.settings = {{"top_k", 0}}}, 100);
  for (int i = 0; i < 300; ++i) EXPECT_LT(*s->next(logits, {}, i, all), 100);
}

std::string order_of(const SamplerOptions& options) {
  const auto s = Sampler::create(options, 50);
  if (!s.ok()) return s.error().message;
  std::string names;
  for (const char* name : s->order()) names += (names.empty() ? "" : ";") + std::string(name);
  return names;
}

TEST(SamplerOrder, IsTheOneGivenAndIsReported) {
  EXPECT_EQ(order_of({}), "top_k;top_p;min_p;temperature");
  EXPECT_EQ(order_of({.order = {"temperature", "min-p", "top_k"}}), "temperature;min_p;top_k");
  EXPECT_EQ(order_of({.settings = {{"min_p", 0}}, .order = {"temp", "min_p", "xtc"}}), "temperature");
  EXPECT_EQ(order_of({.settings = {{"typical_p", 0.9}}, .order = {"typ_p", "nucleus"}}), "typical;top_p");
  EXPECT_EQ(order_of({.order = {"top_k", "nonsense"}}),
            "unknown sampler 'nonsense' in the order; known are penalties, dry, top_n_sigma, top_k, typical, top_p, "
            "min_p, xtc, temperature, adaptive_p, mirostat");
  EXPECT_EQ(order_of({.order = {"top_p", "top_k", "top-p"}}), "sampler top-p is in the order twice");
  EXPECT_EQ(order_of({.order = {"temp", "temperature"}}), "sampler temperature is in the order twice");
  EXPECT_EQ(split_sampler_names("top_k;top_p;temperature"),
            (std::vector<std::string>{"top_k", "top_p", "temperature"}));
  EXPECT_EQ(split_sampler_names("top_k;;"), (std::vector<std::string>{"top_k", ""}));
  EXPECT_TRUE(split_sampler_names("").empty());
}

// Probabilities .6 .3 .1: at temperature 2, which comes first or last, they are .47 .33 .19.
TEST(SamplerOrder, DecidesWhatIsLeft) {
  const std::vector<float> logits = {std::log(0.6f), std::log(0.3f), std::log(0.1f)};
  const auto seen = [&](std::vector<std::string> order) {
    auto s = Sampler::create({.settings = {{"temperature", 2}, {"top_p", 0.85}}, .order = std::move(order)}, 3);
    std::vector<int> counts(3);
    for (int i = 0; i < 2000; ++i) ++counts[static_cast<size_t>(*s->next(logits, {}, i))];
    return counts;
  };
  EXPECT_EQ(seen({"top_p", "temperature"})[2], 0);
  EXPECT_NEAR(seen({"temperature", "top_p"})[2], 390, 60);
  EXPECT_NEAR(seen({"top_p"})[0], 2000 * 0.6 / 0.9, 80);  // what is left out is off
}

TEST(SamplerOrder, TemperatureZeroIsGreedyWhereTheTemperatureRuns) {
  EXPECT_EQ(order_of({.settings = {{"temperature", 0}}}), "temperature");
  EXPECT_EQ(order_of({.settings = {{"temperature", 0}}, .order = {"top_k", "top_p", "temperature"}}), "temperature");
  EXPECT_EQ(order_of({.settings = {{"temperature", 0}}, .order = {"top_k", "top_p"}}), "top_k;top_p");
  // A penalty ahead of it counts, one behind it comes too late.
  const std::vector<float> logits = {2.0f, 1.0f, 0.0f};
  const std::vector<int32_t> history = {0};
  const auto choose = [&](std::vector<std::string> order) {
    auto s = Sampler::create({.settings = {{"temperature", 0}, {"presence_penalty", 5}}, .order = std::move(order)}, 3);
    return *s->next(logits, history, 1);
  };
  EXPECT_EQ(choose({"penalties", "temperature"}), 1);
  EXPECT_EQ(choose({"temperature", "penalties"}), 0);
}

TEST(SamplerOrder, ThoseThatSteerRunLastAndAlone) {
  EXPECT_EQ(order_of({.settings = {{"mirostat", 2}}}), "temperature;mirostat");
  EXPECT_EQ(order_of({.settings = {{"mirostat", 1}, {"presence_penalty", 1}}, .order = {"mirostat", "penalties"}}),
            "penalties;mirostat");
  EXPECT_EQ(order_of({.settings = {{"adaptive_target", 0.5}}, .order = {"min_p"}}), "min_p;adaptive_p");
  EXPECT_EQ(order_of({.settings = {{"adaptive_target", 0.5}, {"mirostat", 1}}}),
            "adaptive_p and mirostat are both on: each has to be the one that the draw follows");
}

}  // namespace
}  // namespace kedge::engine
