// Logistic regression, monotone maps and the calibrator file.
#include "router/calibration/calibrator.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <random>

#include "include/kedge/kedge_router.h"
#include "router/calibration/metrics.h"
#include "router/calibration/sigmoid.h"

namespace kedge::router {
namespace {

double uniform01(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

// Rows whose chance to be right is a known function of two features; a third one is noise.
Json rows_of(size_t n, uint64_t seed, bool with_deep) {
  std::mt19937_64 random(seed);
  Json rows = Json::array();
  for (size_t i = 0; i < n; ++i) {
    const double a = 4 * uniform01(random) - 2;
    const double b = 2 * uniform01(random) - 1;
    Json row = {{"id", "row-" + std::to_string(i)},
                {"task", "facts"},
                {"features", {{"b", b}, {"a", a}, {"noise", uniform01(random)}}},
                {"correct", uniform01(random) < 1 / (1 + std::exp(-(0.5 + 2 * a - 1.5 * b)))}};
    if (with_deep) row["deep"] = {{"correct", uniform01(random) < 1 / (1 + std::exp(-(2 + a)))}};
    rows.push_back(row);
  }
  return rows;
}

Calibrated calibrated(size_t n, bool with_deep, CalibrateOptions options = {}) {
  options.task = "facts";
  options.model = {{"name", "fast"}, {"digest", "sha256:00"}};
  auto set = parse_observations(rows_of(n, 7, with_deep), {}, RowUse::kCalibrate);
  EXPECT_TRUE(set.ok());
  auto made = calibrate(*set, options);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return *std::move(made);
}

LogisticData logistic_data(size_t n, size_t d, uint64_t seed) {
  std::mt19937_64 random(seed);
  LogisticData data{d, {}, {}};
  for (size_t i = 0; i < n; ++i) {
    double logit = 0.3;
    for (size_t j = 0; j < d; ++j) {
      const double x = static_cast<double>(j + 1) * (uniform01(random) - 0.4) + 5 * static_cast<double>(j);
      data.x.push_back(x);
      logit += (j % 2 ? -1.2 : 0.8) * (x - 5 * static_cast<double>(j));
    }
    data.targets.push_back(uniform01(random) < 1 / (1 + std::exp(-logit)) ? 1 : 0);
  }
  return data;
}

double objective(const LogisticModel& model, const LogisticData& data, double lambda) {
  double penalty = 0;
  for (const double w : model.weights) penalty += lambda / 2 * w * w;
  return logistic_loss(model, data) + penalty;
}

TEST(Sigmoid, IsNeverZeroOrOne) {
  for (double x = -40; x <= 40; x += 0.0173) {
    EXPECT_GT(sigmoid(x), 0);
    EXPECT_LT(sigmoid(x), 1);
  }
  EXPECT_EQ(sigmoid(0), 0.5);
}

TEST(Logistic, IsTheMinimumInEveryDirection) {
  const LogisticData data = logistic_data(300, 3, 1);
  for (const double lambda : {1e-4, 1e-2, 1.0}) {
    const auto model = fit_logistic(data, lambda);
    ASSERT_TRUE(model.ok());
    const double best = objective(*model, data, lambda);
    constexpr double kStep = 1e-4;
    for (size_t j = 0; j <= data.n_features; ++j) {
      LogisticModel up = *model;
      LogisticModel down = *model;
      (j < data.n_features ? up.weights[j] : up.bias) += kStep;
      (j < data.n_features ? down.weights[j] : down.bias) -= kStep;
      EXPECT_GT(objective(up, data, lambda), best);
      EXPECT_GT(objective(down, data, lambda), best);
      // The numeric gradient, which is exact to the step squared.
      EXPECT_NEAR((objective(up, data, lambda) - objective(down, data, lambda)) / (2 * kStep), 0, 1e-8);
    }
  }
}

TEST(Logistic, GradientDescentArrivesAtTheSamePlace) {
  const LogisticData data = logistic_data(120, 2, 2);
  constexpr double kLambda = 0.05;
  const auto newton = fit_logistic(data, kLambda);
  ASSERT_TRUE(newton.ok());
  LogisticModel slow = *newton;  // its mean and scale
  slow.weights = {0, 0};
  slow.bias = 0;
  for (int step = 0; step < 5000; ++step) {
    std::vector<double> gradient = {kLambda * slow.weights[0], kLambda * slow.weights[1], 0};
    for (size_t i = 0; i < data.n(); ++i) {
      const double error = (1 / (1 + std::exp(-slow.logit(data.row(i)))) - data.targets[i]) / 120;
      for (size_t j = 0; j < 2; ++j) gradient[j] += error * (data.row(i)[j] - slow.mean[j]) / slow.scale[j];
      gradient[2] += error;
    }
    slow.weights[0] -= gradient[0];
    slow.weights[1] -= gradient[1];
    slow.bias -= gradient[2];
  }
  EXPECT_NEAR(newton->weights[0], slow.weights[0], 1e-7);
  EXPECT_NEAR(newton->weights[1], slow.weights[1], 1e-7);
  EXPECT_NEAR(newton->bias, slow.bias, 1e-7);
}

TEST(Logistic, ExtremesHaveAFiniteAnswer) {
  LogisticData separable{1, {-2, -1, 1, 2}, {0, 0, 1, 1}};
  const auto split = fit_logistic(separable, 1e-4);
  ASSERT_TRUE(split.ok()) << split.error().message;
  EXPECT_GT(split->weights[0], 1);
  EXPECT_TRUE(std::isfinite(split->weights[0]));

  LogisticData one_class{1, {1, 2, 3}, {1, 1, 1}};
  const auto all_right = fit_logistic(one_class, 1e-2);
  ASSERT_TRUE(all_right.ok());
  EXPECT_TRUE(all_right->one_class);
  EXPECT_NEAR(sigmoid(all_right->logit(one_class.row(0))), 4.0 / 5, 1e-12);

  LogisticData constant{1, {0.1, 0.1, 0.1, 0.1}, {1, 0, 1, 1}};
  const auto flat = fit_logistic(constant, 1e-2);
  ASSERT_TRUE(flat.ok());
  EXPECT_NEAR(sigmoid(flat->logit(constant.row(0))), 0.75, 1e-9);
  EXPECT_FALSE(fit_logistic(constant, 0).ok());
}

// Every nondecreasing step function of least squares has, on each run, the mean of the labels: try all ways to cut.
std::vector<double> best_monotone(const std::vector<uint8_t>& labels) {
  const size_t n = labels.size();
  double best = 1e300;
  std::vector<double> best_values;
  for (uint32_t cuts = 0; cuts < (1u << (n - 1)); ++cuts) {
    std::vector<double> values;
    double loss = 0;
    bool ascends = true;
    for (size_t i = 0; i < n;) {
      size_t end = i + 1;
      while (end < n && !(cuts >> (end - 1) & 1)) ++end;
      double mean = 0;
      for (size_t k = i; k < end; ++k) mean += labels[k] / static_cast<double>(end - i);
      ascends = ascends && (values.empty() || mean >= values.back());
      for (size_t k = i; k < end; ++k) {
        values.push_back(mean);
        loss += (mean - labels[k]) * (mean - labels[k]);
      }
      i = end;
    }
    if (ascends && loss < best - 1e-12) {
      best = loss;
      best_values = values;
    }
  }
  return best_values;
}

TEST(Isotonic, IsTheLeastSquaresOfAllWaysToCut) {
  constexpr size_t kRows = 9;
  std::vector<double> logits(kRows);
  for (size_t i = 0; i < kRows; ++i) logits[i] = static_cast<double>(i);
  for (uint32_t bits = 0; bits < (1u << kRows); ++bits) {
    std::vector<uint8_t> labels;
    for (size_t i = 0; i < kRows; ++i) labels.push_back(bits >> i & 1);
    const std::vector<double> expected = best_monotone(labels);
    size_t row = 0;
    for (const IsotonicBlock& block : pool_adjacent_violators(logits, labels)) {
      for (double k = 0; k < block.n; ++k) EXPECT_NEAR(block.value(), expected[row++], 1e-12) << bits;
    }
    EXPECT_EQ(row, kRows);
  }
}

TEST(Isotonic, TiesShareABlockAndTheOrderOfRowsIsFree) {
  const std::vector<double> logits = {1, 0, 1, 0, 2};
  const std::vector<uint8_t> labels = {1, 0, 0, 1, 1};
  const auto blocks = pool_adjacent_violators(logits, labels);  // 0: 1 of 2, 1: 1 of 2, 2: 1 of 1
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].n, 4);
  EXPECT_EQ(blocks[0].logit, 0.5);
  EXPECT_EQ(blocks[0].value(), 0.5);
}

TEST(Isotonic, IsContinuousMonotoneAndNeverCertain) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<double> logits;
    std::vector<uint8_t> labels;
    for (int i = 0; i < 40; ++i) {
      logits.push_back(std::floor(20 * uniform01(random)) / 2 - 5);
      labels.push_back(uniform01(random) < 1 / (1 + std::exp(-logits.back())) ? 1 : 0);
    }
    const MonotoneMap map = fit_isotonic(logits, labels);
    double before = map(-100);
    EXPECT_GT(before, 0);
    for (double z = -7; z < 7; z += 0.001) {
      EXPECT_GE(map(z), before);
      before = map(z);
    }
    EXPECT_LT(map(100), 1);
    for (size_t i = 0; i < map.logits.size(); ++i) EXPECT_EQ(map(map.logits[i]), map.values[i]);
  }
  const MonotoneMap step = fit_isotonic(std::vector<double>{-1, -2, 1, 2, 3}, std::vector<uint8_t>{0, 0, 1, 1, 1});
  EXPECT_EQ(step.values, (std::vector<double>{1.0 / 4, 4.0 / 5}));  // Laplace: (0 + 1) / (2 + 2), (3 + 1) / (3 + 2)
  EXPECT_EQ(step.logits, (std::vector<double>{-1.5, 2}));
  EXPECT_DOUBLE_EQ(step(0.25), (1.0 / 4 + 4.0 / 5) / 2);
}

TEST(Platt, FindsTheCurveThatMadeTheLabelsAndNeverFalls) {
  std::mt19937_64 random(4);
  std::vector<double> logits;
  std::vector<uint8_t> labels;
  std::vector<uint8_t> opposite;
  for (int i = 0; i < 20000; ++i) {
    logits.push_back(6 * uniform01(random) - 3);
    labels.push_back(uniform01(random) < 1 / (1 + std::exp(-(0.7 * logits.back() - 0.4))) ? 1 : 0);
    opposite.push_back(labels.back() ? 0 : 1);
  }
  const auto map = fit_platt(logits, labels);
  ASSERT_TRUE(map.ok());
  EXPECT_NEAR(map->slope, 0.7, 0.04);
  EXPECT_NEAR(map->offset, -0.4, 0.06);
  const auto flat = fit_platt(logits, opposite);
  ASSERT_TRUE(flat.ok());
  EXPECT_EQ(flat->slope, 0);
  EXPECT_NEAR((*flat)(1), *accuracy(opposite), 1e-3);
  const auto all_right = fit_platt(std::vector<double>{1, 2, 3}, std::vector<uint8_t>{1, 1, 1});
  ASSERT_TRUE(all_right.ok());
  EXPECT_EQ(all_right->slope, 1);  // too few wrong ones for a slope: the order stays, the mean is Platt's target
  EXPECT_NEAR(((*all_right)(1) + (*all_right)(2) + (*all_right)(3)) / 3, 4.0 / 5, 1e-9);
}

TEST(Splits, AreDisjointAndFollowTheFractions) {
  std::array<size_t, 3> count{};
  size_t moved = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string id = "facts-public-" + std::to_string(i);
    const size_t split = split_of(id, 0, {0.5, 0.25, 0.25});
    ++count[split];
    EXPECT_EQ(split, split_of(id, 0, {0.5, 0.25, 0.25}));
    moved += split != split_of(id, 1, {0.5, 0.25, 0.25}) ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(count[0]), 10000, 300);
  EXPECT_NEAR(static_cast<double>(count[1]), 5000, 300);
  EXPECT_NEAR(static_cast<double>(moved), 20000 * (1 - 0.375), 300);
}

TEST(Calibrate, RecoversAKnownProbability) {
  for (const size_t n : {size_t{1500}, size_t{8000}}) {  // platt, isotonic
    const Calibrated made = calibrated(n, true);
    const Calibrator& c = made.calibration.confidence;
    EXPECT_EQ(c.features, (std::vector<std::string>{"a", "b", "noise"}));
    EXPECT_EQ(c.map.kind == MonotoneMap::Kind::kIsotonic, n == 8000);
    double sum = 0;
    double deep_sum = 0;
    std::mt19937_64 random(9);
    for (int i = 0; i < 500; ++i) {
      const std::vector<double> x = {4 * uniform01(random) - 2, 2 * uniform01(random) - 1, uniform01(random)};
      sum += std::abs(c.probability(x) - 1 / (1 + std::exp(-(0.5 + 2 * x[0] - 1.5 * x[1]))));
      deep_sum += std::abs(made.calibration.deep->probability(x) - 1 / (1 + std::exp(-(2 + x[0]))));
    }
    EXPECT_LT(sum / 500, 0.04) << n;
    EXPECT_LT(deep_sum / 500, 0.05) << n;
    const Json& held = c.fit["splits"]["threshold"];
    EXPECT_GT(held["auroc"].get<double>(), 0.85);
    EXPECT_LT(held["ece"].get<double>(), 0.08);
    EXPECT_EQ(c.fit["splits"]["fit"]["n"].get<size_t>() + c.fit["splits"]["calibrate"]["n"].get<size_t>() +
                  held["n"].get<size_t>(),
              n);
    const RiskThreshold* t = made.calibration.threshold(0.10);
    ASSERT_NE(t, nullptr);
    EXPECT_LE(t->bound, 0.10);
    EXPECT_GT(t->accepted, 30u);
  }
}

TEST(Calibrate, IsTheSameForRowsInAnotherOrder) {
  Json rows = rows_of(600, 5, true);
  CalibrateOptions options;
  options.task = "facts";
  std::string first;
  for (int round = 0; round < 2; ++round) {
    const auto set = parse_observations(rows, {}, RowUse::kCalibrate);
    ASSERT_TRUE(set.ok());
    const auto made = calibrate(*set, options);
    ASSERT_TRUE(made.ok());
    const std::string text = calibration_json(made->calibration).dump();
    EXPECT_EQ(text, round > 0 ? first : text);
    first = text;
    for (size_t i = 0; i < rows.size() / 2; ++i) std::swap(rows[i], rows[rows.size() - 1 - i]);
  }
}

TEST(Calibrate, RefusesWhatItCannotUse) {
  const auto refused = [](Json rows, const std::vector<std::string>& wanted, CalibrateOptions options) {
    options.task = options.task.empty() ? "facts" : options.task;
    const auto set = parse_observations(rows, wanted, RowUse::kCalibrate);
    if (!set.ok()) return set.error().message;
    const auto made = calibrate(*set, options);
    return made.ok() ? std::string("nothing") : made.error().message;
  };
  const Json good = rows_of(200, 6, true);
  EXPECT_EQ(refused(good, {}, {}), "nothing");
  EXPECT_EQ(refused(good, {"a"}, {}), "nothing");
  Json rows = good;
  rows[3]["features"].erase("b");
  EXPECT_EQ(refused(rows, {}, {}), "observations[3] (row-3): feature 'b' is missing");
  EXPECT_EQ(refused(rows, {"a"}, {}), "nothing");
  rows = good;
  rows[3]["features"]["c"] = 1;
  EXPECT_EQ(refused(rows, {}, {}), "observations[3] (row-3): feature 'c' is not in the first row");
  rows = good;
  rows[3]["features"]["b"] = nullptr;
  EXPECT_EQ(refused(rows, {}, {}), "observations[3] (row-3): feature 'b' is null, not a finite number");
  rows = good;
  rows[3]["id"] = "row-4";
  EXPECT_EQ(refused(rows, {}, {}), "observations: the id row-4 is there twice");
  rows = good;
  rows[3]["task"] = "chat";
  EXPECT_EQ(refused(rows, {}, {}), "row row-3 is of task 'chat', not 'facts'");
  CalibrateOptions any;
  any.task = "any";
  EXPECT_EQ(refused(rows, {}, any), "nothing");
  rows = good;
  rows[3].erase("deep");
  EXPECT_EQ(refused(rows, {}, {}), "row row-3: deep is on some rows only");
  rows = good;
  rows[3]["colour"] = 1;
  EXPECT_NE(refused(rows, {}, {}).find("unknown member 'colour'"), std::string::npos);
  EXPECT_NE(refused(rows_of(30, 6, false), {}, {}).find("at least"), std::string::npos);
  CalibrateOptions options;
  options.fractions = {0.5, 0.5, 0.5};
  EXPECT_EQ(refused(good, {}, options), "fractions sum to 1.500000, not 1");
}

TEST(CalibratorFile, RoundTripIsBitExact) {
  for (const auto kind : {MonotoneMap::Kind::kPlatt, MonotoneMap::Kind::kIsotonic}) {
    CalibrateOptions options;
    options.map = kind;
    options.alphas = {0.05, 0.10, 1e-6};  // the last accepts nothing
    const Calibration made = calibrated(700, true, options).calibration;
    const std::string text = calibration_json(made).dump(2);
    const auto loaded = parse_calibration(text);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    EXPECT_EQ(calibration_json(*loaded).dump(2), text);
    EXPECT_EQ(loaded->id, made.id);
    EXPECT_EQ(loaded->task, "facts");
    ASSERT_EQ(loaded->thresholds.size(), 3u);
    EXPECT_TRUE(std::isinf(loaded->thresholds[2].tau));
    EXPECT_FALSE(loaded->thresholds[2].accepts(1));
    EXPECT_FALSE(loaded->thresholds[2].reason.empty());
    std::mt19937_64 random(11);
    for (int i = 0; i < 300; ++i) {
      const std::vector<double> x = {6 * uniform01(random) - 3, 3 * uniform01(random) - 1, uniform01(random)};
      EXPECT_EQ(std::bit_cast<uint64_t>(loaded->confidence.probability(x)),
                std::bit_cast<uint64_t>(made.confidence.probability(x)));
      EXPECT_EQ(std::bit_cast<uint64_t>(loaded->deep->probability(x)),
                std::bit_cast<uint64_t>(made.deep->probability(x)));
    }
    const std::string path = ::testing::TempDir() + "kedge_calibrator_round_trip.json";
    std::ofstream(path, std::ios::binary) << text;
    const auto read = read_calibration(path);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->id, made.id);
  }
  EXPECT_EQ(read_calibration("/nowhere/calibrator.json").error().code, ErrorCode::kNotFound);
}

// Changes every number, text and length of the file, one at a time: the content no longer has its id.
size_t change_everywhere(const Json& file, Json& value, Json& root) {
  size_t changes = 0;
  const auto refused = [&](const Json& other) {
    const Json kept = value;
    value = other;
    const auto loaded = parse_calibration(root.dump());
    EXPECT_FALSE(loaded.ok()) << kept.dump() << " became " << other.dump();
    EXPECT_TRUE(loaded.ok() || loaded.error().code == ErrorCode::kCorrupt);
    value = kept;
    ++changes;
  };
  if (value.is_structured()) {
    for (auto& member : value) changes += change_everywhere(file, member, root);
    refused(nullptr);
    refused(1);
    if (value.is_array()) {
      Json longer = value;
      longer.push_back(0.5);
      refused(longer);
    } else {
      Json longer = value;
      longer["colour"] = 0.5;
      refused(longer);
    }
    return changes;
  }
  if (value.is_number()) refused(std::nextafter(value.get<double>(), 1e9));
  if (value.is_string()) refused(value.get<std::string>() + "x");
  refused(value.is_null() ? Json(0.5) : Json(nullptr));
  return changes;
}

TEST(CalibratorFile, EveryChangeIsRefused) {
  CalibrateOptions options;
  options.map = MonotoneMap::Kind::kIsotonic;
  Json file = calibration_json(calibrated(200, true, options).calibration);
  ASSERT_TRUE(parse_calibration(file.dump()).ok());
  EXPECT_GT(change_everywhere(file, file, file), 100u);
  EXPECT_EQ(parse_calibration(file.dump().substr(0, 200)).error().code, ErrorCode::kCorrupt);
}

// A file that somebody signed anew still has to make sense; the error names the member.
TEST(CalibratorFile, NonsenseIsRefusedByName) {
  CalibrateOptions options;
  options.map = MonotoneMap::Kind::kIsotonic;
  options.alphas = {0.25};
  const Json good = calibration_json(calibrated(400, true, options).calibration);
  const struct {
    const char* at;
    Json value;
    const char* message;
  } cases[] = {
      {"/format", "kedge-calibrator-1", "calibrator: format is 'kedge-calibrator-1'"},
      {"/scale/1", 0, "calibrator: scale has a value that is not over 0"},
      {"/weights", {1, 2}, "calibrator: weights has 2 values for 3"},
      {"/bias", nullptr, "calibrator: bias is null, not a finite number"},
      {"/features/0", "b", "calibrator: features has b twice"},
      {"/map/kind", "spline", "calibrator: map: kind is 'spline'"},
      {"/map/values/0", 0.9999, "calibrator: map: values[1] descends: not monotone"},
      {"/map/values/0", 0, "calibrator: map: values[0] is not in (0, 1)"},
      {"/map/logits/0", 99, "calibrator: map: logits[1] does not ascend"},
      {"/deep/map", {{"kind", "platt"}, {"slope", -1}, {"offset", 0}}, "calibrator: deep: map: slope is negative"},
      {"/deep/mean", Json::array(), "calibrator: deep: mean has 0 values for 3"},
      {"/thresholds/0/tau", 2, "calibrator: thresholds[0]: tau is not between 0 and 1"},
      {"/thresholds/0/tau", 0, "calibrator: thresholds[0]: tau is 0.000000, below the floor 0.500000"},
      {"/thresholds/0/tau", 0.49, "calibrator: thresholds[0]: tau is 0.490000, below the floor"},
      {"/gate", {{"features", {"length"}}}, "calibrator: gate: features does not end with unseen_wording"},
      {"/thresholds/0/errors", 1e6, "calibrator: thresholds[0]: errors is not a whole number"},
      {"/thresholds/0/tau", nullptr, "calibrator: thresholds[0]: reason is missing"},
      {"/thresholds/0/bound", 0.5, "calibrator: thresholds[0]: bound is over alpha"},
      {"/id", "sha256:00", "calibrator: id is sha256:00, but the content has sha256:"},
  };
  for (const auto& c : cases) {
    Json file = good;
    file.make(c.at) = c.value;
    const auto loaded = parse_calibration(file.dump());
    ASSERT_FALSE(loaded.ok()) << c.at;
    EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(loaded.error().message.rfind(c.message, 0), 0u) << loaded.error().message;
  }
}

TEST(Calibrator, GathersByName) {
  const Calibrator c = calibrated(300, false).calibration.confidence;
  std::vector<double> out(3);
  const NamedFeature given[] = {{"noise", 3}, {"other", 9}, {"b", 2}, {"a", 1}};
  ASSERT_TRUE(c.gather(given, out).ok());
  EXPECT_EQ(out, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(c.gather(std::span(given).first(3), out).error().message, "the feature a is missing");
  const NamedFeature infinite[] = {{"a", INFINITY}, {"b", 2}, {"noise", 1}};
  EXPECT_EQ(c.gather(infinite, out).error().message, "the feature a is not finite");
  EXPECT_EQ(c.probability(std::vector<double>{NAN, 0, 0}), 0);
}

TEST(CalibrateFunction, AnswersInJson) {
  const Json request = {{"observations", rows_of(400, 8, true)},
                        {"model", {{"name", "fast"}}},
                        {"task", "facts"},
                        {"alpha", {0.1, 0.2}},
                        {"features", {"b", "a"}}};
  char* json = nullptr;
  size_t size = 0;
  const std::string text = request.dump();
  ASSERT_EQ(kedge_calibrate(text.data(), text.size(), &json, &size), KEDGE_OK) << kedge_last_error();
  const auto answer = parse_json(std::string_view(json, size), "answer");
  kedge_free(json);
  ASSERT_TRUE(answer.ok());
  const auto loaded = parse_calibration((*answer)["calibrator"].dump());
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(loaded->confidence.features, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(loaded->thresholds.size(), 2u);
  const Json& report = (*answer)["report"]["confidence"];
  EXPECT_EQ(report["cross_validation"].size(), 5u);
  EXPECT_LE(report["held_out"]["auroc_interval"][0], report["splits"]["threshold"]["auroc"]);
  EXPECT_GE(report["held_out"]["auroc_interval"][1], report["splits"]["threshold"]["auroc"]);

  for (const auto& [member, value, message] :
       std::vector<std::tuple<std::string, Json, std::string>>{{"colour", 1, "unknown member 'colour'"},
                                                               {"alpha", 2, "alpha = 2.000000"},
                                                               {"task", "", "task is empty"},
                                                               {"model", "fast", "model is not an object"},
                                                               {"map", "spline", "map is not auto, platt or isotonic"},
                                                               {"features", {"a", "a"}, "features has a twice"},
                                                               {"seed", -1, "seed is -1"},
                                                               {"fractions", {0.5, 0.5}, "fractions are not three"}}) {
    Json wrong = request;
    wrong[member] = value;
    const std::string body = wrong.dump();
    EXPECT_EQ(kedge_calibrate(body.data(), body.size(), &json, &size), KEDGE_INVALID_ARGUMENT) << member;
    EXPECT_NE(std::string(kedge_last_error()).find(message), std::string::npos) << kedge_last_error();
    EXPECT_EQ(json, nullptr);
  }
}

}  // namespace
}  // namespace kedge::router
