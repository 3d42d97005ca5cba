// A model of the pool with adapters is another model: its sessions compute with them, and its digest says so.
#include <gtest/gtest.h>

#include "router/config.h"
#include "router/loaded_model.h"
#include "tests/engine/adapter_files.h"

namespace kedge::router {
namespace {

using namespace engine::testing_adapters;

constexpr const char* kModels = R"({"models": {"m": {"path": "m.gguf", "adapters": %}}, "aliases": {"fast": "m"}})";

Result<RouterConfig> config_with(const std::string& adapters) {
  std::string text = kModels;
  text.replace(text.find('%'), 1, adapters);
  return parse_router_config(text, "pool.json", "/pool");
}

TEST(PoolAdapters, AreReadFromTheConfiguration) {
  const auto config = config_with(R"([{"path": "style.gguf", "scale": 0.5}, {"path": "/other.gguf"}])");
  ASSERT_TRUE(config.ok()) << config.error().message;
  const auto& adapters = config->models.at("m").adapters;
  ASSERT_EQ(2u, adapters.size());
  EXPECT_EQ("/pool/style.gguf", adapters[0].path);
  EXPECT_EQ(0.5, adapters[0].scale);
  EXPECT_EQ("/other.gguf", adapters[1].path);
  EXPECT_EQ(1.0, adapters[1].scale);
  for (const char* wrong : {R"({"path": "x"})", R"([{"scale": 1}])", R"([{"path": "x", "weight": 1}])", R"(["x"])",
                            R"([{"path": "x", "scale": "much"}])"}) {
    const auto refused = config_with(wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_NE(std::string::npos, refused.error().message.find("models.m.adapters")) << refused.error().message;
  }
}

TEST(PoolAdapters, MakeAnotherModel) {
  const std::string path = engine::testing_golden::data_path("golden/llama/model.gguf");
  const auto plain = LoadedModel::load("m", {.path = path}, "", 1).value();
  const std::string file = write(random_draft(*plain->model(), 31), "pool");
  const auto load = [&](double scale) {
    return LoadedModel::load("m", {.path = path, .adapters = {{file, scale}}}, "", 1).value();
  };
  const auto adapted = load(1);
  EXPECT_EQ(*file_digest(path), plain->digest());
  EXPECT_NE(plain->digest(), adapted->digest());
  EXPECT_NE(load(0.5)->digest(), adapted->digest());
  EXPECT_EQ(load(1)->digest(), adapted->digest());
  EXPECT_EQ(load(0)->digest(), plain->digest()) << "of scale 0 it is as if it were not there";
  ASSERT_EQ(1u, adapted->adapters_json().size());
  EXPECT_EQ("pool", adapted->adapters_json()[size_t{0}]["name"].get<std::string>());
  const std::vector<int32_t> tokens = {5, 17, 40, 3, 99};
  const auto logits = [&](LoadedModel& model) {
    auto session = model.session().value();
    EXPECT_TRUE(session->eval(tokens).ok());
    return std::vector<float>(session->logits().begin(), session->logits().end());
  };
  EXPECT_NE(logits(*plain), logits(*adapted));
  EXPECT_EQ(logits(*plain), logits(*load(0)));
  const auto missing = LoadedModel::load("m", {.path = path, .adapters = {{file + ".none", 1}}}, "", 1);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(std::string::npos, missing.error().message.find("model 'm': " + file + ".none"));
}

}  // namespace
}  // namespace kedge::router
