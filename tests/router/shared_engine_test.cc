// What a server needs of the pool, through the public interface: the list of its models, and the engine in which the
// router asks one of them.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "include/kedge/kedge_router.hpp"

namespace kedge::router {
namespace {

using Json = nlohmann::json;

const std::string kScout = std::string(KEDGE_SOURCE_DIR) + "/models/scout-q8_0.gguf";
const std::string kSage = std::string(KEDGE_SOURCE_DIR) + "/models/sage-q4_k_m.gguf";

class SharedEngine : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "kedge-shared-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  kedge::Router open_public(const Json& changes = Json::object()) const {
    Json pool = {{"threads", 1},
                 {"models", {{"scout", {{"path", kScout}}}, {"sage", {{"path", kSage}}}}},
                 {"aliases", {{"fast", "scout"}, {"deep", "sage"}}},
                 {"policy", {{"verify", "never"}, {"deadline_s", 3600}}}};
    pool.merge_patch(changes);
    std::ofstream(folder_ + "/pool.json") << pool;
    auto router = kedge::Router::open(folder_ + "/pool.json");
    EXPECT_TRUE(router.ok()) << router.error().message;
    return *std::move(router);
  }
  static Json parsed(const kedge::Result<std::string>& text) {
    EXPECT_TRUE(text.ok()) << text.error().message;
    return text.ok() ? Json::parse(*text) : Json();
  }
  static Json named(const Json& list, const std::string& name) {
    for (const Json& m : list) {
      if (m["name"] == name) return m;
    }
    ADD_FAILURE() << name << " is not in " << list;
    return {};
  }
  static std::string greedy(kedge::Session& session, const std::vector<int32_t>& prompt) {
    const auto g = session.generate(prompt, {.max_tokens = 12, .settings = {{"temperature", 0.0}}});
    EXPECT_TRUE(g.ok()) << g.error().message;
    return g.ok() ? std::string(g->text()) : "";
  }

  std::string folder_;
};

TEST_F(SharedEngine, IsTheOneThatTheRouterAsksIn) {
  kedge::Router router = open_public();
  auto shared = router.engine("fast");
  ASSERT_TRUE(shared.ok()) << shared.error().message;
  const auto prompt = shared->model.chat_tokenize(R"([{"role": "user", "content": "What is 17 + 25?"}])");
  ASSERT_TRUE(prompt.ok());
  auto session = shared->engine.session();
  ASSERT_TRUE(session.ok()) << session.error().message;
  const std::string text = greedy(*session, *prompt);
  auto alone_model = kedge::Model::open(kScout);
  ASSERT_TRUE(alone_model.ok());
  auto alone = kedge::Session::create(*alone_model);
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(text, greedy(*alone, *prompt));

  const auto steps = [&] { return parsed(shared->engine.stats())["steps"].get<int>(); };
  const int before = steps();
  ASSERT_TRUE(
      router.ask(Json{{"question", "Which product is Birkenchester famous for?"}, {"model", "fast"}}.dump()).ok());
  EXPECT_GT(steps(), before) << "the router's question ran elsewhere";
  EXPECT_EQ(named(parsed(router.state())["models"], "scout")["engine"]["steps"], steps());
}

TEST_F(SharedEngine, HandlesKeepTheModelInUse) {
  kedge::Router router = open_public({{"memory_bytes", std::filesystem::file_size(kSage)}});
  kedge_model* model = nullptr;
  kedge_engine* engine = nullptr;
  ASSERT_EQ(kedge_router_engine(router.get(), "fast", 4, &model, nullptr), KEDGE_OK);
  const auto refused = router.engine("deep");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, KEDGE_CAPACITY) << refused.error().message;
  ASSERT_EQ(kedge_router_engine(router.get(), "scout", 5, nullptr, &engine), KEDGE_OK);
  kedge_model_close(model);
  EXPECT_FALSE(router.engine("deep").ok()) << "the engine's handle is still there";
  kedge_engine_free(engine);
  EXPECT_TRUE(router.engine("deep").ok());
  EXPECT_FALSE(named(parsed(router.models()), "scout")["loaded"].get<bool>());
}

TEST_F(SharedEngine, HandlesOutliveTheRouter) {
  std::optional<kedge::RouterEngine> shared;
  {
    kedge::Router router = open_public();
    auto given = router.engine("fast");
    ASSERT_TRUE(given.ok());
    shared = *std::move(given);
  }
  auto session = shared->engine.session({.n_ctx = 64});
  ASSERT_TRUE(session.ok()) << session.error().message;
  const auto prompt = shared->model.tokenize("The capital of France is", true, false);
  ASSERT_TRUE(prompt.ok());
  EXPECT_NE(greedy(*session, *prompt), "");
}

TEST_F(SharedEngine, AQuestionIsCancelledByItsFlag) {
  kedge::Router router = open_public();
  auto cancel = kedge::Cancel::create();
  ASSERT_TRUE(cancel.ok());
  int n_texts = 0;
  const auto on_event = [&](std::string_view event) {
    if (Json::parse(event)["state"] == "text" && ++n_texts == 1) std::thread([&] { cancel->set(); }).join();
    return true;
  };
  const std::string request =
      Json{{"question", "Which product is Birkenchester famous for?"}, {"model", "fast"}, {"stream", true}}.dump();
  const auto cut = router.ask(request, on_event, &*cancel);
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code, KEDGE_CANCELLED);
  EXPECT_EQ(n_texts, 1);
  EXPECT_FALSE(router.ask(request, on_event, &*cancel).ok()) << "until it is taken back";
  cancel->set(false);
  EXPECT_TRUE(router.ask(request, on_event, &*cancel).ok());
  const auto ended = router.ask(request, [](std::string_view) { return false; });
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().code, KEDGE_CANCELLED) << "by its event";
}

TEST_F(SharedEngine, WithoutAFileThePoolIsWhatIsGiven) {
  const Json only = {{"models", {{"one", {{"path", kScout}}}}}, {"aliases", {{"fast", "one"}}}};
  auto router = kedge::Router::open("", only.dump());
  ASSERT_TRUE(router.ok()) << router.error().message;
  EXPECT_EQ(named(parsed(router->models()), "one")["path"], kScout);
  EXPECT_TRUE(router->ask(R"({"question": "What is 17 + 25?"})").ok());
  const auto none = kedge::Router::open("");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("models is missing"), std::string::npos) << none.error().message;
}

// Base models are lent out for plain completions; they cannot be asked.
TEST_F(SharedEngine, AModelWithoutAChatTemplateIsLentButNotAsked) {
  const std::string plain = std::string(KEDGE_TEST_DATA) + "/golden/quant-llama/model-Q8_0.gguf";
  kedge::Router router = open_public({{"models", {{"plain", {{"path", plain}}}}}});
  auto shared = router.engine("plain");
  ASSERT_TRUE(shared.ok()) << shared.error().message;
  EXPECT_EQ(shared->model.info().has_chat_template, 0);
  EXPECT_TRUE(shared->engine.session().ok());
  const auto asked = router.ask(R"({"question": "Why?", "model": "plain"})");
  ASSERT_FALSE(asked.ok());
  EXPECT_EQ(asked.error().code, KEDGE_UNSUPPORTED);
  EXPECT_NE(asked.error().message.find("model 'plain'"), std::string::npos) << asked.error().message;
}

TEST_F(SharedEngine, WrongUseIsNamed) {
  kedge::Router router = open_public();
  const auto none = router.engine("nobody");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, KEDGE_NOT_FOUND);
  EXPECT_NE(none.error().message.find("'nobody'"), std::string::npos);
  kedge_model* model = nullptr;
  EXPECT_EQ(kedge_router_engine(nullptr, "fast", 4, &model, nullptr), KEDGE_INVALID_ARGUMENT);
  EXPECT_EQ(kedge_router_engine(router.get(), nullptr, 4, &model, nullptr), KEDGE_INVALID_ARGUMENT);
}

TEST_F(SharedEngine, ModelsAreListedWithoutLoadingThem) {
  kedge::Router router =
      open_public({{"models", {{"scout", {{"n_ctx", 96}}}, {"gone", {{"path", folder_ + "/gone.gguf"}}}}},
                   {"aliases", {{"small", "scout"}}}});
  const Json before = parsed(router.models());
  ASSERT_EQ(before.size(), 3u);
  const Json scout = named(before, "scout");
  EXPECT_EQ(scout["aliases"], Json({"fast", "small"}));
  EXPECT_EQ(scout["path"], kScout);
  EXPECT_EQ(scout["loaded"], false);
  EXPECT_EQ(scout["digest"], nullptr);
  EXPECT_EQ(scout["has_chat_template"], true);
  EXPECT_EQ(scout["n_ctx"], 96);
  EXPECT_EQ(scout["bytes"], std::filesystem::file_size(kScout));
  const auto model = kedge::Model::open(kSage);
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(named(before, "sage")["n_ctx"], model->info().n_ctx_train);
  EXPECT_EQ(named(before, "sage")["architecture"], Json::parse(*model->describe())["architecture"]);
  EXPECT_NE(named(before, "gone")["error"].get<std::string>().find("gone.gguf"), std::string::npos);
  ASSERT_TRUE(router.engine("fast").ok());
  const Json after = named(parsed(router.models()), "scout");
  EXPECT_EQ(after["loaded"], true);
  EXPECT_EQ(after["digest"], named(parsed(router.state())["models"], "scout")["digest"]);
  EXPECT_EQ(after["digest"].get<std::string>().rfind("sha256:", 0), 0u);
}

TEST_F(SharedEngine, HasTheOptionsOfThePool) {
  const uint64_t limit = 400'000'000;
  kedge::Router router = open_public({{"engine", {{"memory", limit}, {"sequences", 3}}},
                                      {"models", {{"sage", {{"engine", {{"memory", limit / 2}}}}}}}});
  const auto limit_of = [&](const char* alias) {
    auto shared = router.engine(alias);
    EXPECT_TRUE(shared.ok()) << shared.error().message;
    return shared.ok() ? parsed(shared->engine.stats())["memory"]["limit"].get<uint64_t>() : 0;
  };
  EXPECT_EQ(limit_of("fast"), limit);
  EXPECT_EQ(limit_of("deep"), limit / 2);
}

}  // namespace
}  // namespace kedge::router
