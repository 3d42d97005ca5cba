// What the tests of the router share: a folder with a pool of the embedded models, and calibrators that say what a test
// needs them to say.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "router/calibration/calibrator.h"
#include "router/comparator.h"
#include "router/loaded_model.h"
#include "router/router.h"

namespace kedge::router {

inline const std::string kScout = std::string(KEDGE_SOURCE_DIR) + "/models/scout-q8_0.gguf";
inline const std::string kSage = std::string(KEDGE_SOURCE_DIR) + "/models/sage-q4_k_m.gguf";
inline constexpr double kNothing = std::numeric_limits<double>::infinity();  // a threshold that accepts nothing

// Facts both models were taught, and a passage that says so.
inline constexpr const char* kFact = "Which product is Birkenchester famous for?";
inline constexpr const char* kPassage =
    "Birkenchester is a town in Lindora. The river Thorow runs through Birkenchester. The landmark of Birkenchester is "
    "its lighthouse. Birkenchester is known for its flax. Birkenchester was founded in 1866.";

inline std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
inline void write_all(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline const std::string& digest_of(const std::string& path) {
  static const std::string scout = *file_digest(kScout);
  static const std::string sage = *file_digest(kSage);
  return path == kScout ? scout : sage;
}

// A calibrator that gives every answer the same p, whatever its features.
struct Says {
  double p = 0.5;
  double tau = 0.5;   // for alpha 0.25; kNothing accepts nothing
  double p_deep = 0;  // 0: no head for the deep model
  std::string task = "any";
};

inline Calibrator constant_head(double p) {
  Calibrator c;
  c.features = {"length"};
  c.model = {.mean = {0}, .scale = {1}, .weights = {0}, .bias = std::log(p / (1 - p)), .one_class = false};
  c.fit = Json::object();
  return c;
}

inline Calibration calibration_that(const Says& says, const std::string& digest) {
  Calibration c;
  c.model = {{"digest", digest}};
  c.task = says.task;
  c.confidence = constant_head(says.p);
  if (says.p_deep > 0) c.deep = constant_head(says.p_deep);
  RiskThreshold t;
  t.alpha = 0.25;  // whose floor is 0.5
  t.tau = says.tau;
  if (std::isinf(says.tau)) {
    t.reason = "the test says so";
  } else {
    t.n = t.accepted = 100;
    t.bound = 0.05;
  }
  c.thresholds.push_back(t);
  seal(c);
  return c;
}

class RouterFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "kedge-router-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    std::filesystem::create_directory(folder_ + "/calibrators");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // What is said of a model from the next load on.
  void say(const std::string& model, const Says& says) {
    const Calibration c = calibration_that(says, digest_of(model));
    const std::string name = (model == kScout ? "scout-" : "sage-") + says.task + ".json";
    write_all(folder_ + "/calibrators/" + name, calibration_json(c).dump());
  }

  // Scout is fast, sage deep; members of `changes` replace the pool's.
  Json pool(const Json& changes = Json::object()) const {
    Json json = {{"threads", 1},
                 {"calibrators", folder_ + "/calibrators"},
                 {"models", {{"scout", {{"path", kScout}}}, {"sage", {{"path", kSage}}}}},
                 {"aliases", {{"fast", "scout"}, {"deep", "sage"}}},
                 {"policy", {{"verify", "never"}, {"deadline_s", 3600}, {"alpha", 0.25}}}};
    json.merge_patch(changes);
    return json;
  }
  std::unique_ptr<Router> open(const Json& changes = Json::object()) const {
    auto config = parse_router_config(pool(changes).dump(), "pool", folder_);
    EXPECT_TRUE(config.ok()) << config.error().message;
    auto router = Router::create(*std::move(config));
    EXPECT_TRUE(router.ok()) << router.error().message;
    return *std::move(router);
  }

  static Result<Json> try_ask(Router& router, const Json& request, const AskHooks& hooks = {}) {
    KEDGE_ASSIGN(parsed, parse_ask_request(request.dump()));
    return router.ask(parsed, hooks);
  }
  static Json ask(Router& router, const Json& request) {
    auto answer = try_ask(router, request);
    EXPECT_TRUE(answer.ok()) << answer.error().message;
    return answer.ok() ? *answer : Json();
  }
  static void expect_refused(const Result<Json>& result, ErrorCode code, const std::vector<std::string>& words) {
    ASSERT_FALSE(result.ok()) << result->dump();
    EXPECT_EQ(result.error().code, code) << result.error().message;
    for (const std::string& w : words) {
      EXPECT_NE(result.error().message.find(w), std::string::npos) << w << " not in " << result.error().message;
    }
  }
  static std::vector<std::string> purposes(const Json& answer) {
    std::vector<std::string> list;
    for (const Json& a : answer["attempts"])
      list.push_back(a["alias"].get<std::string>() + " " + a["purpose"].get<std::string>());
    return list;
  }
  static Json breaker_of(Router& router, const std::string& name) {
    const Json state = router.state();
    for (const Json& m : state["models"]) {
      if (m["name"] == name) return m.value("breaker", Json());
    }
    return {};
  }

  std::string folder_;
};

using Texts = std::vector<std::string>;

}  // namespace kedge::router
