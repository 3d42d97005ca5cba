// Another model behind an alias: under load, refused, in the shadow, and back.
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "router/prompt.h"
#include "tests/router/router_harness.h"

namespace kedge::router {
namespace {

class Swapping : public RouterFixture {
 protected:
  static Result<Json> swap(Router& router, const Json& request) {
    KEDGE_ASSIGN(parsed, parse_swap_request(request.dump()));
    return router.swap(parsed);
  }
  // The same model under another name.
  std::string twin(const std::string& name) {
    std::filesystem::create_symlink(kScout, folder_ + "/" + name);
    return folder_ + "/" + name;
  }
  static std::string model_of(Router& router, const Json& request) { return ask(router, request)["model"]; }
};

const Json kToFast = {{"question", kFact}, {"model", "fast"}, {"abstain", false}};

TEST_F(Swapping, UnderLoadEveryAnswerIsOneOfTheModels) {
  const auto router = open({{"aliases", {{"deep", nullptr}}}, {"models", {{"sage", nullptr}}}});
  std::weak_ptr<LoadedModel> old = *router->pool().get("fast");
  std::mutex mutex;
  std::set<std::string> hashes;
  std::atomic<int> answered{0};
  std::atomic<int> asked{0};
  std::atomic<bool> stop{false};
  const auto client = [&] {
    while (!stop) {
      ++asked;
      const auto a = try_ask(*router, kToFast);
      ASSERT_TRUE(a.ok()) << a.error().message;
      const Json& attempt = (*a)["attempts"][0];
      const std::lock_guard lock(mutex);
      hashes.insert((*a)["model"].get<std::string>() + " " + attempt["logits_hash"].get<std::string>());
      if ((*a)["answer"] == "flax") ++answered;
    }
  };
  std::thread one(client), two(client);
  while (answered < 4) std::this_thread::yield();
  const auto done = swap(*router, {{"alias", "fast"}, {"path", kSage}, {"retokenise", true}});
  const int before = answered;
  while (answered < before + 6) std::this_thread::yield();
  stop = true;
  one.join();
  two.join();
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ((*done)["event"], "swapped");
  EXPECT_EQ((*done)["before"], "scout");
  EXPECT_EQ(answered, asked) << "none is lost";
  ASSERT_EQ(hashes.size(), 2u) << "each answer has the bits of one of the two models";
  EXPECT_EQ(hashes.begin()->substr(0, 4), "sage");
  EXPECT_TRUE(old.expired()) << "unloaded when the last answer let go of it";
}

TEST_F(Swapping, BrokenContractIsRefusedWithBothFingerprints) {
  const auto router = open();
  const auto now = (*router->pool().get("fast"))->contract();
  const auto sage = (*router->pool().get("deep"))->contract();
  expect_refused(swap(*router, {{"alias", "fast"}, {"path", kSage}}), ErrorCode::kInvalidArgument,
                 {"embedding contract", now->embeddings, sage->embeddings});
  // The same weights behind another chat template.
  std::string bytes = read_all(kScout);
  const size_t at = bytes.find("'<|end|>'");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 9, "'<|ref|>'");
  write_all(folder_ + "/template.gguf", bytes);
  expect_refused(swap(*router, {{"alias", "fast"}, {"path", folder_ + "/template.gguf"}}), ErrorCode::kInvalidArgument,
                 {"tokenizer contract", now->tokenizer});
  const std::string tiny = std::string(KEDGE_TEST_DATA) + "/golden/llama/model.gguf";
  expect_refused(swap(*router, {{"alias", "fast"}, {"path", tiny}}), ErrorCode::kUnsupported, {"no chat template"});
  expect_refused(swap(*router, {{"alias", "fast"}, {"path", "/none.gguf"}}), ErrorCode::kNotFound, {"/none.gguf"});
  expect_refused(swap(*router, {{"alias", "none"}, {"path", kSage}}), ErrorCode::kNotFound, {"'none'"});
  expect_refused(swap(*router, {{"alias", "scout"}, {"path", kSage}}), ErrorCode::kNotFound, {"'scout'", "no alias"});
  EXPECT_EQ(model_of(*router, kToFast), "scout");
}

TEST_F(Swapping, GoldenLogitsHaveToBeRight) {
  const auto router = open();
  const Json a = ask(*router, kToFast)["attempts"][0];
  const auto parsed = parse_ask_request(kToFast.dump());
  const auto prompt = build_prompt(*(*router->pool().get("fast"))->model(), *parsed, {});
  ASSERT_TRUE(prompt.ok());
  Json golden = {{"prompt", prompt->tokens}, {"n_tokens", a["tokens"].size()}, {"logits_hash", a["logits_hash"]}};
  const std::string path = twin("twin.gguf");
  golden["logits_hash"] = "xxh3-128:00000000000000000000000000000000";
  expect_refused(swap(*router, {{"alias", "fast"}, {"path", path}, {"golden", {golden}}}), ErrorCode::kCorrupt,
                 {"golden logits 0", a["logits_hash"], "xxh3-128:0000"});
  EXPECT_EQ(router->pool().resolve("fast"), "scout");
  golden["logits_hash"] = a["logits_hash"];
  EXPECT_TRUE(swap(*router, {{"alias", "fast"}, {"path", path}, {"golden", {golden}}}).ok());
  EXPECT_EQ(model_of(*router, kToFast), "twin");
}

TEST_F(Swapping, RollBackGoesToWhatItWas) {
  const auto router = open();
  expect_refused(swap(*router, {{"alias", "fast"}, {"rollback", true}}), ErrorCode::kInvalidArgument,
                 {"nothing to roll back"});
  ASSERT_TRUE(swap(*router, {{"alias", "fast"}, {"path", twin("twin.gguf")}}).ok());
  EXPECT_EQ(model_of(*router, kToFast), "twin");
  const auto back = swap(*router, {{"alias", "fast"}, {"rollback", true}});
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ((*back)["event"], "rolled_back");
  EXPECT_EQ(model_of(*router, kToFast), "scout");
}

TEST_F(Swapping, NewNameIsNobodyElses) {
  // A file whose stem is the name of the deep model.
  const auto router = open();
  const auto done = swap(*router, {{"alias", "fast"}, {"path", twin("sage.gguf")}});
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ((*done)["model"], "sage-2");
  EXPECT_EQ((*router->pool().get("deep"))->digest(), digest_of(kSage));
  EXPECT_EQ((*router->pool().get("fast"))->digest(), digest_of(kScout));
}

TEST_F(Swapping, ShadowTakesOverWhenItAgrees) {
  const auto router = open();
  const auto begun =
      swap(*router, {{"alias", "fast"}, {"path", twin("twin.gguf")}, {"shadow_share", 0.5}, {"shadow_count", 2}});
  ASSERT_TRUE(begun.ok()) << begun.error().message;
  EXPECT_EQ((*begun)["event"], "shadow");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(model_of(*router, kToFast), "scout") << "unseen";
  router->settle();
  const Json shadow = router->state()["swaps"]["shadows"][0];
  EXPECT_EQ(shadow["seen"], 3);
  EXPECT_EQ(shadow["answered"], 1) << "half of the questions";
  EXPECT_EQ(shadow["skipped"], 0);
  EXPECT_EQ(model_of(*router, kToFast), "scout");
  router->settle();
  EXPECT_EQ(model_of(*router, kToFast), "twin");
  EXPECT_TRUE(router->state()["swaps"]["shadows"].empty());
  EXPECT_EQ(router->state()["swaps"]["history"].back()["agreement"], 1.0);
}

TEST_F(Swapping, ShadowIsRefusedWhenItDisagrees) {
  const auto router = open();
  const Json question = {{"question", "Who wrote The Silver Castle?"}, {"model", "fast"}, {"abstain", false}};
  ASSERT_TRUE(swap(*router,
                   {{"alias", "fast"}, {"path", kSage}, {"retokenise", true}, {"shadow_share", 1}, {"shadow_count", 2}})
                  .ok());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(model_of(*router, question), "scout");
  router->settle();
  const Json state = router->state()["swaps"];
  EXPECT_TRUE(state["shadows"].empty());
  EXPECT_EQ(state["history"].back()["event"], "shadow_refused");
  EXPECT_EQ(state["history"].back()["agreement"], 0.0);
  ASSERT_TRUE(swap(*router, {{"alias", "fast"}, {"path", twin("twin.gguf")}, {"shadow_share", 1}}).ok());
  EXPECT_EQ((*swap(*router, {{"alias", "fast"}, {"rollback", true}}))["event"], "shadow_cancelled");
  EXPECT_EQ(model_of(*router, question), "scout");
}

TEST_F(Swapping, RequestsThatMakeNoSenseNameTheMember) {
  const auto refused = [](const Json& request, const Texts& words) {
    const auto r = parse_swap_request(request.dump());
    ASSERT_FALSE(r.ok());
    EXPECT_EQ(r.error().code, ErrorCode::kInvalidArgument);
    for (const auto& w : words) EXPECT_NE(r.error().message.find(w), std::string::npos) << r.error().message;
  };
  refused({{"alias", "fast"}}, {"swap.path", "exactly one"});
  refused({{"alias", "fast"}, {"path", "a"}, {"rollback", true}}, {"swap.path", "exactly one"});
  refused({{"path", "a"}}, {"swap.alias", "missing"});
  refused({{"alias", "fast"}, {"path", "a"}, {"shadow_share", 2}}, {"swap.shadow_share", "0 to 1"});
  refused({{"alias", "fast"}, {"path", "a"}, {"golden", 1}}, {"swap.golden"});
  refused({{"alias", "fast"}, {"path", "a"}, {"golden", {{{"prompt", "x"}}}}}, {"swap.golden[0].prompt"});
  refused({{"alias", "fast"}, {"path", "a"}, {"colour", 1}}, {"unknown member 'colour'"});
}

}  // namespace
}  // namespace kedge::router
