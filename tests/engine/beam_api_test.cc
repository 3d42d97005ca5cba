// Beam search and the order of samplers through the public interface.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "kedge/kedge.hpp"

namespace kedge::engine {
namespace {

using Json = nlohmann::json;
const std::vector<int32_t> kPrompt = {5, 17, 99, 23};

kedge::Model open() {
  auto m = kedge::Model::open(std::string(KEDGE_TEST_DATA) + "/golden/quant-llama/model-Q8_0.gguf");
  EXPECT_TRUE(m.ok()) << m.error().message;
  return *std::move(m);
}

TEST(BeamApi, AnswersAreJsonBestFirst) {
  const kedge::Model model = open();
  auto engine = kedge::Engine::create(model, {.n_threads = 1, .sequences = 4});
  ASSERT_TRUE(engine.ok());
  auto session = engine->session({.n_ctx = 64});
  ASSERT_TRUE(session.ok());
  size_t read = 0;
  const auto text =
      session->beam_search(kPrompt, {.beams = 4, .n_best = 3, .max_tokens = 5, .on_prefill = [&](size_t n, size_t) {
                                       read = n;
                                       return true;
                                     }});
  ASSERT_TRUE(text.ok()) << text.error().message;
  const Json found = Json::parse(*text);
  EXPECT_EQ(read, kPrompt.size());
  EXPECT_EQ(found["n_prompt"], kPrompt.size());
  ASSERT_EQ(found["answers"].size(), 3u);
  for (const Json& a : found["answers"]) {
    EXPECT_LE(a["tokens"].size(), 5u);
    EXPECT_NEAR(a["score"].get<double>(), a["logprob"].get<double>() / static_cast<double>(a["tokens"].size()), 1e-12);
    EXPECT_TRUE(a["text"].is_string());
    EXPECT_EQ(a["unfinished"], false);
  }
  EXPECT_EQ(session->info().n_past, static_cast<int>(kPrompt.size()));
}

TEST(BeamApi, EveryAnswerObeysTheConstraint) {
  const kedge::Model model = open();
  auto engine = kedge::Engine::create(model, {.n_threads = 1, .sequences = 8});
  ASSERT_TRUE(engine.ok());
  auto session = engine->session({.n_ctx = 64});
  ASSERT_TRUE(session.ok());
  const std::set<std::string> choices = {"yes", "no", "perhaps"};
  kedge::BeamOptions options;
  options.beams = 8;
  options.max_tokens = 16;
  options.constraint = Json{{"choice", choices}}.dump();
  const auto text = session->beam_search(kPrompt, options);
  ASSERT_TRUE(text.ok()) << text.error().message;
  std::set<std::string> seen;
  const Json found = Json::parse(*text);
  for (const Json& a : found["answers"]) {
    EXPECT_TRUE(choices.contains(a["text"])) << a;
    EXPECT_EQ(a["unfinished"], false);
    EXPECT_EQ(a["finish_reason"], "stop_token");
    seen.insert(a["text"]);
  }
  EXPECT_GT(seen.size(), 1u);
}

TEST(BeamApi, ErrorsSayWhatIsWrong) {
  const kedge::Model model = open();
  auto own = kedge::Session::create(model, {.n_ctx = 64, .n_threads = 1});
  ASSERT_TRUE(own.ok());
  const auto refused = own->beam_search(kPrompt);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, KEDGE_UNSUPPORTED);
  EXPECT_FALSE(own->beam_search(kPrompt, {.beams = 300}).ok());
  kedge_beam_options o;
  kedge_beam_options_init(&o, sizeof o);
  EXPECT_EQ(o.beams, 4);
  o.stop = 9;
  char* json = nullptr;
  size_t size = 0;
  EXPECT_EQ(kedge_beam_search(own->get(), kPrompt.data(), kPrompt.size(), &o, &json, &size), KEDGE_INVALID_ARGUMENT);
  EXPECT_EQ(std::string(kedge_last_error()), "stop = 9 is none of kedge_beam_stop");
  const auto order = own->generate(kPrompt, {.max_tokens = 1, .samplers = "top_k;top_k"});
  ASSERT_FALSE(order.ok());
  EXPECT_EQ(order.error().message, "sampler top_k is in the order twice");
  const auto drawn = own->generate(kPrompt, {.max_tokens = 1, .samplers = "temp;min-p"});
  ASSERT_TRUE(drawn.ok()) << drawn.error().message;
  EXPECT_EQ(Json::parse(drawn->settings())["samplers"], (std::vector<std::string>{"temperature", "min_p"}));
}

}  // namespace
}  // namespace kedge::engine
