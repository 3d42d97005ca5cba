// Metrics and routing curves against values computed by hand and closed forms.
#include "router/calibration/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <random>

#include "include/kedge/kedge_router.h"
#include "kernels/base/json.h"
#include "router/calibration/routing.h"

namespace kedge::router {
namespace {

double uniform01(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

using Scores = std::vector<double>;
using Labelled = std::vector<uint8_t>;

TEST(Auroc, CountsPairs) {
  EXPECT_EQ(auroc(Scores{1, 2, 3, 4}, Labelled{0, 0, 1, 1}), 1.0);
  EXPECT_EQ(auroc(Scores{4, 3, 2, 1}, Labelled{0, 0, 1, 1}), 0.0);
  EXPECT_EQ(auroc(Scores{1, 2, 3, 4}, Labelled{0, 1, 0, 1}), 0.75);  // 3 of 4 pairs
  EXPECT_EQ(auroc(Scores{1, 1, 1}, Labelled{0, 1, 1}), 0.5);
  EXPECT_EQ(auroc(Scores{1, 1, 2}, Labelled{0, 1, 1}), 0.75);
  EXPECT_FALSE(auroc(Scores{1, 2}, Labelled{1, 1}).has_value());
  EXPECT_FALSE(auroc(Scores{}, Labelled{}).has_value());
}

TEST(Auroc, WeightsAreRepetitions) {
  std::mt19937_64 random(1);
  Scores scores;
  Labelled labels;
  Scores weights;
  Scores repeated;
  Labelled repeated_labels;
  size_t ordered = 0;
  for (int i = 0; i < 60; ++i) {
    scores.push_back(std::floor(10 * uniform01(random)));
    labels.push_back(random() % 2);
    weights.push_back(static_cast<double>(random() % 4));
    for (double k = 0; k < weights.back(); ++k) {
      repeated.push_back(scores.back());
      repeated_labels.push_back(labels.back());
    }
  }
  EXPECT_DOUBLE_EQ(*auroc(Ranking(scores), labels, weights), *auroc(repeated, repeated_labels));
  EXPECT_NEAR(ece_equal_width(scores, labels, weights), ece_equal_width(repeated, repeated_labels), 1e-12);
  // Brute force over all pairs.
  double pairs = 0;
  for (size_t a = 0; a < repeated.size(); ++a) {
    for (size_t b = 0; b < repeated.size(); ++b) {
      if (!repeated_labels[a] || repeated_labels[b]) continue;
      pairs += repeated[a] > repeated[b] ? 1 : repeated[a] == repeated[b] ? 0.5 : 0;
      ++ordered;
    }
  }
  EXPECT_DOUBLE_EQ(*auroc(repeated, repeated_labels), pairs / static_cast<double>(ordered));
}

TEST(Ece, ByHand) {
  // Bins of 1/15: 0.9 and 0.92 share one ([13/15, 14/15)), 0.1 is alone.
  const Scores p = {0.9, 0.92, 0.1};
  const Labelled right = {1, 0, 0};
  EXPECT_NEAR(ece_equal_width(p, right), (std::abs(1 - 1.82) + 0.1) / 3, 1e-12);
  EXPECT_NEAR(ece_equal_mass(p, right), (0.1 + 0.92 + 0.1) / 3, 1e-12);  // three rows: each a bin of its own
  EXPECT_EQ(ece_equal_width(Scores{1, 0, 1}, Labelled{1, 0, 1}), 0);
  EXPECT_EQ(ece_equal_width(Scores{1, 1}, Labelled{0, 0}), 1);
  const auto bins = reliability_bins(p, right);
  ASSERT_EQ(bins.size(), kBins);
  EXPECT_EQ(bins[13].n, 2u);
  EXPECT_DOUBLE_EQ(bins[13].mean_p, 0.91);
  EXPECT_EQ(bins[13].accuracy, 0.5);
  EXPECT_EQ(bins[1].n, 1u);
}

TEST(Ece, IsNearZeroWhenTheProbabilitiesAreTrue) {
  std::mt19937_64 random(2);
  Scores p;
  Scores overconfident;
  Labelled labels;
  for (int i = 0; i < 20000; ++i) {
    p.push_back(uniform01(random));
    overconfident.push_back(std::min(1.0, p.back() + 0.1));
    labels.push_back(uniform01(random) < p.back() ? 1 : 0);
  }
  EXPECT_LT(ece_equal_width(p, labels), 0.015);
  EXPECT_LT(ece_equal_mass(p, labels), 0.015);
  EXPECT_NEAR(ece_equal_width(overconfident, labels), 0.095, 0.01);  // mean of min(0.1, 1 - p)
  EXPECT_NEAR(ece_equal_mass(overconfident, labels), 0.095, 0.01);
  EXPECT_NEAR(brier(p, labels), 1.0 / 6, 0.005);  // mean of p (1 - p)
  EXPECT_NEAR(log_loss(p, labels), 0.5, 0.01);    // mean entropy of p: 1/2 nat
  EXPECT_NEAR(*auroc(p, labels), 5.0 / 6, 0.01);
}

TEST(Losses, ByHand) {
  EXPECT_NEAR(brier(Scores{0.8, 0.4}, Labelled{1, 0}), (0.04 + 0.16) / 2, 1e-15);
  EXPECT_NEAR(log_loss(Scores{0.8, 0.4}, Labelled{1, 0}), -(std::log(0.8) + std::log(0.6)) / 2, 1e-15);
  EXPECT_NEAR(log_loss(Scores{0}, Labelled{1}), -std::log(1e-15), 1e-9);
  // Highest score first: right, wrong, right: error rates 0, 1/2, 1/3.
  EXPECT_NEAR(aurc(Ranking(Scores{0.9, 0.5, 0.1}), Labelled{1, 0, 1}), (0 + 0.5 + 1.0 / 3) / 3, 1e-15);
  EXPECT_NEAR(aurc(Ranking(Scores{1, 1, 1, 1}), Labelled{1, 0, 1, 0}), 0.5, 1e-15);
  const Accepted a = accepted_answers(Scores{0.9, 0.8, 0.7}, Scores{0.85, 0.75, INFINITY}, Labelled{1, 0, 0});
  EXPECT_EQ(a.n, 2);
  EXPECT_EQ(a.error_rate(), 0.5);
  EXPECT_FALSE(accepted_answers(Scores{0.9}, Scores{1}, Labelled{1}).error_rate().has_value());
}

TEST(Bootstrap, HasTheWidthOfTheNormalApproximationAndRepeats) {
  Labelled labels(400, 1);
  std::fill(labels.begin(), labels.begin() + 100, uint8_t{0});
  const auto run = [&](uint64_t seed) {
    return bootstrap(labels.size(), 2, 2000, seed, [&](Weights w, std::span<std::optional<double>> out) {
      EXPECT_EQ(std::accumulate(w.begin(), w.end(), 0.0), 400);
      out[0] = accuracy(labels, w);
    });
  };
  const auto intervals = run(1);
  const double half = 1.96 * std::sqrt(0.75 * 0.25 / 400);
  EXPECT_NEAR(intervals[0]->low, 0.75 - half, 0.006);
  EXPECT_NEAR(intervals[0]->high, 0.75 + half, 0.006);
  EXPECT_EQ(intervals[0]->resamples, 2000u);
  EXPECT_FALSE(intervals[1].has_value());  // never defined
  EXPECT_EQ(run(1)[0]->low, intervals[0]->low);
  EXPECT_EQ(run(1)[0]->high, intervals[0]->high);
}

// Four rows: only deep right, both, neither, only fast; fast 2 of 4, deep 2 of 4 without the fifth, which deep rescues.
const Pairs kPairs = {{0, 1, 0, 1, 0}, {1, 1, 0, 0, 1}, {1, 1, 1, 1, 1}, {10, 10, 10, 10, 10}};

TEST(Routing, CurveByHand) {
  const Ranking ranking(Scores{0.1, 0.5, 0.3, 0.9, 0.3});
  const auto curve = route_curve(ranking, kPairs);
  ASSERT_EQ(curve.size(), 5u);  // 0.3 is there twice
  const double shares[] = {0, 0.2, 0.6, 0.8, 1};
  const double right[] = {2, 3, 4, 4, 3};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_DOUBLE_EQ(curve[i].share, shares[i]);
    EXPECT_DOUBLE_EQ(curve[i].quality, right[i] / 5);
    EXPECT_DOUBLE_EQ(*curve[i].cpu_s, 1 + 10 * shares[i]);
  }
  EXPECT_FALSE(curve[0].threshold.has_value());
  EXPECT_EQ(curve[2].threshold, 0.3);
  EXPECT_DOUBLE_EQ(quality_at(curve, 0), 0.4);
  EXPECT_DOUBLE_EQ(quality_at(curve, 0.4), 0.7);  // half of the tie
  EXPECT_DOUBLE_EQ(quality_at(curve, 1), 0.6);
  // PGR is (right - 2) / 1: areas of the pieces 0.2 * 0.5, 0.4 * 1.5, 0.2 * 2, 0.2 * 1.5.
  EXPECT_NEAR(*apgr(ranking, kPairs), 0.1 + 0.6 + 0.4 + 0.3, 1e-12);
  EXPECT_NEAR(*call_performance_threshold(curve, 0.5), 0.1, 1e-12);
  EXPECT_NEAR(*call_performance_threshold(curve, 0.8), 0.16, 1e-12);
  EXPECT_DOUBLE_EQ(*route_curve(ranking, kPairs, FastRuns::kOnlyWhenKept).back().cpu_s, 10);
  const Routed routed = route_rows(Labelled{1, 0, 0, 0, 1}, kPairs);
  EXPECT_DOUBLE_EQ(routed.quality, 0.8);
  EXPECT_DOUBLE_EQ(routed.share, 0.4);
  EXPECT_DOUBLE_EQ(*routed.cpu_s, 5);
}

TEST(Routing, RandomIsOneHalfAndNothingBeatsTheOracle) {
  std::mt19937_64 random(5);
  Pairs pairs;
  for (int i = 0; i < 300; ++i) {
    pairs.fast.push_back(uniform01(random) < 0.6 ? 1 : 0);
    pairs.deep.push_back(uniform01(random) < 0.85 ? 1 : 0);
  }
  const double best = *apgr(Ranking(oracle_scores(pairs)), pairs);
  EXPECT_NEAR(*apgr(Ranking(Scores(300, 0.0)), pairs), 0.5, 1e-12);
  double sum = 0;
  for (int round = 0; round < 400; ++round) {
    Scores scores;
    for (int i = 0; i < 300; ++i) scores.push_back(uniform01(random));
    const double a = *apgr(Ranking(scores), pairs);
    EXPECT_LE(a, best);
    sum += a / 400;
  }
  EXPECT_NEAR(sum, 0.5, 0.02);
  EXPECT_GT(best, 0.9);
  std::swap(pairs.fast, pairs.deep);
  EXPECT_FALSE(apgr(Ranking(oracle_scores(pairs)), pairs).has_value());  // no gap to recover
  EXPECT_FALSE(pgr(0.7, 0.6, 0.6).has_value());
  EXPECT_NEAR(*pgr(0.7, 0.6, 0.8), 0.5, 1e-12);
}

TEST(Routing, ApgrIsTheAreaUnderTheCurveWithAndWithoutWeights) {
  std::mt19937_64 random(6);
  Pairs pairs;
  Pairs repeated;
  Scores scores;
  Scores repeated_scores;
  Scores weights;
  for (int i = 0; i < 80; ++i) {
    const auto fast = static_cast<uint8_t>(random() % 2);
    const auto deep = static_cast<uint8_t>(random() % 4 > 0 ? 1 : 0);
    pairs.fast.push_back(fast);
    pairs.deep.push_back(deep);
    scores.push_back(std::floor(20 * uniform01(random)));
    weights.push_back(static_cast<double>(random() % 3));
    for (double k = 0; k < weights.back(); ++k) {
      repeated.fast.push_back(fast);
      repeated.deep.push_back(deep);
      repeated_scores.push_back(scores.back());
    }
  }
  const auto curve = route_curve(Ranking(repeated_scores), repeated);
  double area = 0;
  for (size_t i = 1; i < curve.size(); ++i) {
    area += (curve[i].share - curve[i - 1].share) * (curve[i].quality + curve[i - 1].quality) / 2;
  }
  const double expected = (area - curve.front().quality) / (curve.back().quality - curve.front().quality);
  EXPECT_NEAR(*apgr(Ranking(repeated_scores), repeated), expected, 1e-12);
  EXPECT_NEAR(*apgr(Ranking(scores), pairs, weights), expected, 1e-12);
}

// --- kedge_route_report ---

Json paired_rows(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  Json rows = Json::array();
  for (size_t i = 0; i < n; ++i) {
    const double p = uniform01(random);
    rows.push_back({{"id", "r" + std::to_string(i)},
                    {"task", i % 3 == 0 ? "chat" : "facts"},
                    {"features", {{"n_tokens", std::floor(30 * uniform01(random))}, {"min_logprob", p - 1}}},
                    {"correct", uniform01(random) < p},
                    {"cpu_s", 1},
                    {"p", p},
                    {"knn", uniform01(random)},
                    {"deep", {{"correct", uniform01(random) < 0.9}, {"cpu_s", 10}}}});
  }
  return rows;
}

Result<Json> report(const Json& request) {
  char* json = nullptr;
  size_t size = 0;
  const std::string text = request.dump();
  if (kedge_route_report(text.data(), text.size(), &json, &size) != KEDGE_OK) {
    EXPECT_EQ(json, nullptr);
    return Error{ErrorCode::kInvalidArgument, kedge_last_error()};
  }
  auto answer = parse_json(std::string_view(json, size), "answer");
  kedge_free(json);
  return answer;
}

TEST(RouteReport, HasAllThatWasAskedFor) {
  const Json request = {{"observations", paired_rows(300, 3)},
                        {"tau", 0.8},
                        {"bootstrap", 200},
                        {"baselines",
                         {{{"name", "length"}, {"feature", "n_tokens"}, {"escalate", "high"}},
                          {{"name", "raw"}, {"feature", "min_logprob"}, {"escalate", "low"}}}}};
  const auto answer = report(request);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->dump(), report(request)->dump());
  EXPECT_EQ((*answer)["tasks"].size(), 2u);
  EXPECT_EQ((*answer)["tasks"]["chat"]["n"], 100);
  const Json& all = (*answer)["all"];
  EXPECT_GT(all["confidence"]["auroc"], 0.75);
  EXPECT_LT(all["confidence"]["ece"], 0.12);
  for (const char* name : {"/confidence/auroc", "/confidence/ece", "/accuracy", "/operating/escalated_share",
                           "/operating/accept_error", "/operating/quality", "/operating/pgr", "/routing/fast/accuracy",
                           "/routing/deep/accuracy", "/routing/routers/0/apgr"}) {
    const double value = all.pointee(name)->get<double>();
    const Json& interval = *all.pointee(std::string(name) + "_interval");
    EXPECT_LT(interval[0].get<double>(), interval[1].get<double>()) << name;
    EXPECT_GT(interval[1].get<double>(), value - 0.03) << name;
    EXPECT_LT(interval[0].get<double>(), value + 0.03) << name;
  }
  std::map<std::string, double> area;
  std::map<std::string, Json> difference;
  for (const Json& router : all["routing"]["routers"]) {
    area[router["name"]] = router["apgr"];
    difference[router["name"]] = router.value("p_apgr_minus_this_interval", Json());
  }
  EXPECT_EQ(area.size(), 6u);
  EXPECT_NEAR(area["raw"], area["p"], 1e-9);  // the same order
  EXPECT_EQ(difference["raw"][1].get<double>(), 0);
  EXPECT_NEAR(area["random"], 0.5, 1e-12);
  EXPECT_GT(area["p"], area["length"]);
  EXPECT_GT(difference["length"][0].get<double>(), 0);
  EXPECT_GT(area["oracle"], area["p"]);
  const double kept = 1 - all["operating"]["escalated_share"].get<double>();
  EXPECT_NEAR(all["operating"]["accepted"].get<double>(), 300 * kept, 1e-9);
  EXPECT_NEAR(all["operating"]["cpu_s"].get<double>(), 1 + 10 * (1 - kept), 1e-9);
  const Json& points = all["routing"]["curve"]["points"];
  EXPECT_EQ(points.size(), 101u);
  EXPECT_EQ(points.front()["share"], 0);
  EXPECT_EQ(points.back()["share"], 1);
  EXPECT_EQ(all["routing"]["curve"]["distinct"], 301);
}

TEST(RouteReport, SaysWhyThereIsNoGap) {
  Json rows = paired_rows(60, 4);
  for (Json& row : rows) row["deep"]["correct"] = false;
  const auto answer = report({{"observations", rows}, {"bootstrap", 50}, {"tau", nullptr}});
  ASSERT_TRUE(answer.ok());
  const Json& all = (*answer)["all"];
  EXPECT_TRUE(all["routing"]["routers"][0]["apgr"].is_null());
  EXPECT_TRUE(all["routing"]["routers"][0]["cpt50"].is_null());
  EXPECT_NE(all["routing"]["no_pgr_because"].get<std::string>().find("no gap"), std::string::npos);
  EXPECT_EQ(all["operating"]["escalated_share"], 1);  // tau null: nothing is accepted
  EXPECT_TRUE(all["operating"]["accept_error"].is_null());
  for (Json& row : rows) row.erase("deep");
  const auto single = report({{"observations", rows}, {"bootstrap", 0}});
  ASSERT_TRUE(single.ok()) << single.error().message;
  EXPECT_TRUE((*single)["all"]["routing"].is_null());
  EXPECT_TRUE((*single)["all"]["operating"].is_null());
  EXPECT_FALSE((*single)["all"].contains("accuracy_interval"));
}

TEST(RouteReport, RefusesWhatItCannotUse) {
  const auto message = [](const std::function<void(Json&)>& change) {
    Json request = {{"observations", paired_rows(20, 5)}, {"bootstrap", 0}};
    change(request);
    const auto answer = report(request);
    return answer.ok() ? std::string("nothing") : answer.error().message;
  };
  EXPECT_EQ(message([](Json&) {}), "nothing");
  EXPECT_EQ(message([](Json& r) { r["observations"][2].erase("p"); }), "observations[2] (r2): p is missing");
  EXPECT_EQ(message([](Json& r) { r["observations"][2]["p"] = 1.5; }),
            "observations[2] (r2): p is 1.500000, not a probability");
  EXPECT_EQ(message([](Json& r) { r["observations"][2].erase("knn"); }), "row r2: knn is on some rows only");
  EXPECT_EQ(message([](Json& r) { r["observations"][2]["tau"] = 0.5; }), "row r2: tau is on some rows only");
  EXPECT_EQ(message([](Json& r) { r["observations"][2]["deep"].erase("cpu_s"); }),
            "row r2: deep.cpu_s is on some rows only");
  EXPECT_EQ(message([](Json& r) { r["observations"][2]["cpu_s"] = -1; }), "observations[2] (r2): cpu_s is negative");
  EXPECT_EQ(message([](Json& r) {
              r["baselines"] = {{{"name", "length"}, {"feature", "words"}, {"escalate", "high"}}};
            }),
            "observations[0] (r0): feature 'words' is missing");
  EXPECT_EQ(message([](Json& r) {
              r["baselines"] = {{{"name", "length"}, {"feature", "n_tokens"}, {"escalate", "up"}}};
            }),
            "baselines[0]: escalate is not low or high");
  EXPECT_EQ(message([](Json& r) { r["bootstrap"] = 1e9; }), "request: bootstrap is over 100000 resamples");
  EXPECT_NE(message([](Json& r) { r["colour"] = 1; }).find("unknown member 'colour'"), std::string::npos);
  EXPECT_EQ(message([](Json& r) { r["observations"] = Json::array(); }),
            "observations is not an array of at least one row");
}

}  // namespace
}  // namespace kedge::router
