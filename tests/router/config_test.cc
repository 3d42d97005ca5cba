// Pool files: what is read, and how what is wrong is called.
#include "tests/router/router_harness.h"

namespace kedge::router {
namespace {

class Config : public RouterFixture {
 protected:
  void refused(const Json& changes, const Texts& words) const {
    const auto c = parse_router_config(pool(changes).dump(), "pool.json", folder_);
    ASSERT_FALSE(c.ok()) << changes;
    EXPECT_EQ(c.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(c.error().message.rfind("pool.json", 0), 0u) << c.error().message;
    for (const auto& w : words) EXPECT_NE(c.error().message.find(w), std::string::npos) << c.error().message;
  }
  std::string file(const std::string& name, const std::string& text) const {
    write_all(folder_ + "/" + name, text);
    return folder_ + "/" + name;
  }
};

constexpr const char* kToml = R"(memory_bytes = 1000
threads = 2
audit = "logs/a.db"
[policy]
alpha = 0.2
abstain = false
[aliases]
fast = "s"
deep = "s"
[models.s]
path = "m/s.gguf"
n_ctx = 512
pinned = true
kv_type = "q8_0"
)";

TEST_F(Config, TomlAndJsonMeanTheSame) {
  const auto toml = read_router_config(file("pool.toml", kToml));
  ASSERT_TRUE(toml.ok()) << toml.error().message;
  EXPECT_EQ(toml->models.at("s").path, folder_ + "/m/s.gguf");
  EXPECT_EQ(toml->models.at("s").n_ctx, 512);
  EXPECT_TRUE(toml->models.at("s").pinned);
  EXPECT_EQ(toml->models.at("s").kv_type, KvFormat::kQ8_0);
  EXPECT_EQ(toml->audit, folder_ + "/logs/a.db");
  EXPECT_EQ(toml->memory_bytes, 1000u);
  EXPECT_EQ(toml->policy.alpha, 0.2);
  EXPECT_FALSE(toml->policy.abstain);
  EXPECT_EQ(toml->policy.delta, 0.05) << "what is not said keeps its default";
  const Json same = {
      {"memory_bytes", 1000},
      {"threads", 2},
      {"audit", "logs/a.db"},
      {"policy", {{"alpha", 0.2}, {"abstain", false}}},
      {"aliases", {{"fast", "s"}, {"deep", "s"}}},
      {"models", {{"s", {{"path", "m/s.gguf"}, {"n_ctx", 512}, {"pinned", true}, {"kv_type", "q8_0"}}}}}};
  const auto json = read_router_config(file("pool.json", same.dump()));
  ASSERT_TRUE(json.ok()) << json.error().message;
  EXPECT_EQ(json->models.at("s").path, toml->models.at("s").path);
  EXPECT_EQ(json->aliases, toml->aliases);
  EXPECT_EQ(json->policy.alpha, toml->policy.alpha);
  EXPECT_EQ(json->threads, toml->threads);
}

TEST_F(Config, OverridesReplaceMembersAndStartAtTheWorkingFolder) {
  const std::string path = file("pool.toml", kToml);
  const auto plain = read_router_config(path);
  const auto changed = read_router_config(
      path, R"({"audit": "x.db", "policy": {"alpha": 0.3}, "models": {"t": {"path": "t.gguf"}}, "index": ""})");
  ASSERT_TRUE(changed.ok()) << changed.error().message;
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(changed->audit, here + "/x.db");
  EXPECT_EQ(changed->models.at("t").path, here + "/t.gguf");
  EXPECT_EQ(changed->models.at("s").path, folder_ + "/m/s.gguf");
  EXPECT_EQ(changed->policy.alpha, 0.3);
  EXPECT_FALSE(changed->policy.abstain) << "the file's other members stay";
  EXPECT_NE(changed->sha256, plain->sha256);
  EXPECT_EQ(read_router_config(path)->sha256, plain->sha256);
  EXPECT_FALSE(read_router_config(path, "[]").ok());
  EXPECT_FALSE(read_router_config(path, "{").ok());
  EXPECT_EQ(read_router_config(path, R"({"colour": 1})").error().message.find(path), 0u);
}

TEST_F(Config, EnginesOfThePoolAndOfAModel) {
  const auto c = parse_router_config(
      pool({{"engine", {{"sequences", 5}, {"memory", 1 << 20}, {"step_ms", -1}, {"step_tokens", 64}, {"spill", "tmp"}}},
            {"models", {{"sage", {{"engine", {{"waiting", 7}, {"sequences", 2}, {"default_tokens", 9}}}}}}}})
          .dump(),
      "pool.json", folder_);
  ASSERT_TRUE(c.ok()) << c.error().message;
  const EngineOptions& shared = c->models.at("scout").engine;
  EXPECT_EQ(shared.sequences, 5);
  EXPECT_EQ(shared.memory, size_t{1} << 20);
  EXPECT_EQ(shared.step_ms, -1);
  EXPECT_EQ(shared.step_tokens, 64);
  EXPECT_EQ(shared.spill, folder_ + "/tmp");
  EXPECT_EQ(shared.waiting, EngineOptions().waiting);
  const EngineOptions& own = c->models.at("sage").engine;
  EXPECT_EQ(own.sequences, 2);
  EXPECT_EQ(own.waiting, 7);
  EXPECT_EQ(own.default_tokens, 9);
  EXPECT_EQ(own.step_tokens, 64) << "what a model does not say is the pool's";
  EXPECT_EQ(own.spill, folder_ + "/tmp");
}

TEST_F(Config, WhatIsWrongIsNamed) {
  refused({{"engine", {{"sequences", 0}}}}, {"engine.sequences", "0", "4096"});
  refused({{"engine", {{"memory", "much"}}}}, {"engine.memory", "\"much\""});
  refused({{"engine", {{"steps", 1}}}}, {"engine", "unknown member 'steps'"});
  refused({{"models", {{"scout", {{"engine", {{"waiting", -1}}}}}}}}, {"models.scout.engine.waiting", "-1"});
  refused({{"colour", 1}}, {"unknown member 'colour'", "memory_bytes"});
  refused({{"models", {{"scout", {{"pth", "x"}}}}}}, {"models.scout", "unknown member 'pth'"});
  refused({{"models", {{"scout", {{"path", 5}}}}}}, {"models.scout.path", "not a string", "5"});
  refused({{"models", {{"scout", {{"path", nullptr}}}}}}, {"models.scout.path", "missing"});
  refused({{"models", {{"scout", {{"kv_type", "q5"}}}}}}, {"models.scout.kv_type", "'q5'", "q8_0"});
  refused({{"models", {{"scout", {{"n_ctx", -1}}}}}}, {"models.scout.n_ctx", "-1"});
  refused({{"models", {{"scout", 7}}}}, {"models.scout", "not a JSON object"});
  refused({{"models", nullptr}}, {"models is missing"});
  refused({{"aliases", nullptr}}, {"aliases is missing"});
  refused({{"aliases", {{"deep", "gpt"}}}}, {"aliases.deep", "'gpt'", "no model"});
  refused({{"aliases", {{"fast", nullptr}}}}, {"aliases.fast is missing"});
  refused({{"policy", {{"alpha", 2}}}}, {"policy.alpha", "2", "0.9999"});
  refused({{"policy", {{"alpha", "low"}}}}, {"policy.alpha", "must be a number", "\"low\""});
  refused({{"policy", {{"max_attempts", 0}}}}, {"policy.max_attempts", "1 to 64"});
  refused({{"policy", {{"verify", "often"}}}}, {"policy.verify", "'often'"});
  refused({{"policy", {{"mood", 1}}}}, {"policy", "unknown member 'mood'"});
  refused({{"policy", {{"escalate", 1}}}}, {"policy.escalate", "true or false"});
  refused({{"memory_bytes", -1}}, {"memory_bytes", "-1"});
  refused({{"threads", 1.5}}, {"threads", "1.5"});
  refused({{"index", 3}}, {"index", "not a string"});
}

TEST_F(Config, FilesThatCannotBeRead) {
  const auto none = read_router_config(folder_ + "/none.toml");
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  EXPECT_NE(none.error().message.find("none.toml"), std::string::npos);
  EXPECT_EQ(read_router_config(folder_).error().code, ErrorCode::kInvalidArgument);  // a folder
  const auto syntax = read_router_config(file("bad.toml", "threads = 1\nmodels = = 2\n"));
  EXPECT_EQ(syntax.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(syntax.error().message.find("bad.toml:2"), std::string::npos) << syntax.error().message;
  EXPECT_NE(read_router_config(file("bad.json", "{")).error().message.find("bad.json"), std::string::npos);
}

}  // namespace
}  // namespace kedge::router
