// Encoders: the vectors of independent references for every architecture, the same bits in any company, and what they
// cannot do is said.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "engine/embed.h"
#include "engine/engine.h"
#include "engine/generate.h"
#include "tests/engine/golden.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;
using Floats = std::vector<float>;

std::shared_ptr<const Model> encoder(const std::string& name) {
  return load(data_path("encoders/" + name + "/model.gguf"));
}

std::shared_ptr<Engine> engine_of(const std::shared_ptr<const Model>& model, EngineOptions options = {}) {
  if (options.n_threads == 0) options.n_threads = 1;
  auto made = Engine::create(model, options);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? *made : nullptr;
}

Floats vectors(Engine& engine, const std::vector<int32_t>& tokens, std::optional<Pooling> pooling) {
  auto made = embed(engine, tokens, {.pooling = pooling, .normalise = false});
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? *std::move(made) : Floats();
}

void expect_near(std::span<const float> want, std::span<const float> got, float tolerance, const std::string& what) {
  ASSERT_EQ(want.size(), got.size()) << what;
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(want[i], got[i], tolerance) << what << " " << i;
}

std::vector<int32_t> tokens(int n, int seed = 1) {
  std::vector<int32_t> t;
  for (int i = 0; i < n; ++i) t.push_back((i * 37 + i * i * seed) % 250 + 3);
  return t;
}

class Encoders : public testing::TestWithParam<std::string> {};

TEST_P(Encoders, RowsAndPooledVectorsAreTheReferences) {
  const std::string folder = "encoders/" + GetParam() + "/";
  const auto golden = read_json(data_path(folder + "golden.json"));
  const auto model = encoder(GetParam());
  ASSERT_NE(nullptr, model);
  const auto shared = engine_of(model, {.kv_type = KvFormat::kF32});
  const Floats pooled = read_floats(data_path(folder + golden["pooled"]["file"].get<std::string>()));
  const auto d = static_cast<size_t>(model->config().d_model);
  size_t at = 0;
  for (const char* which : {"short", "long"}) {
    const auto& prompt = golden["prompts"][which];
    const auto text = prompt["tokens"].get<std::vector<int32_t>>();
    const Floats want = read_floats(data_path(folder + prompt["embeddings"].get<std::string>()));
    const Floats rows = vectors(*shared, text, Pooling::kNone);
    ASSERT_EQ(rows.size(), text.size() * d);
    const auto tolerance = golden["tolerance"]["f32_atol"].get<float>();
    expect_near(want, last_rows(rows, want.size()), tolerance, GetParam() + " " + which);
    expect_near(std::span(pooled).subspan(at, d), vectors(*shared, text, {}), tolerance, "pooled");
    at += d;
  }
}

TEST_P(Encoders, ThreadsAndCompanyChangeNoBit) {
  const auto model = encoder(GetParam());
  ASSERT_NE(nullptr, model);
  const std::vector<std::vector<int32_t>> texts = {tokens(1), tokens(33, 2), tokens(100, 3), tokens(64, 4)};
  std::vector<Floats> alone;
  for (const auto& text : texts) alone.push_back(vectors(*engine_of(model), text, Pooling::kNone));
  const auto shared = engine_of(model, {.n_threads = 3});
  std::vector<Floats> together(texts.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < texts.size(); ++i) {
    threads.emplace_back([&, i] { together[i] = vectors(*shared, texts[i], Pooling::kNone); });
  }
  for (std::thread& t : threads) t.join();
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(alone[i].size(), together[i].size());
    EXPECT_EQ(0, std::memcmp(alone[i].data(), together[i].data(), alone[i].size() * sizeof(float))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, Encoders, testing::ValuesIn(golden_folders("prompts", "model.gguf", "encoders")));

TEST(Encoder, ATextIsWholeAndMakesNoText) {
  const auto model = encoder("nomic-bert");
  ASSERT_NE(nullptr, model);
  const auto refused = [](const Status& s, ErrorCode code, const std::string& what) {
    ASSERT_FALSE(s.ok()) << what;
    EXPECT_EQ(code, s.error().code) << s.error().message;
    EXPECT_NE(std::string::npos, s.error().message.find(what)) << s.error().message;
  };
  SessionOptions o;
  o.n_threads = 1;
  o.n_ctx = 1000;
  o.chunk = 16;  // is what the steps of others would have
  auto made = Session::create(model, o);
  ASSERT_TRUE(made.ok()) << made.error().message;
  Session& session = **made;
  refused(session.eval(tokens(5)), ErrorCode::kUnsupported, "nomic-bert is an encoder");
  size_t rows = 0;
  const auto count = [&](int, std::span<const float>) -> Status {
    ++rows;
    return {};
  };
  const int most = model->config().n_ctx_train;  // of a step, where texts are no longer
  refused(session.eval_hidden(tokens(most + 1), 0, count), ErrorCode::kCapacity,
          "has room for " + std::to_string(most));
  EXPECT_EQ(0u, rows);
  ASSERT_TRUE(session.eval_hidden(tokens(300), 0, count).ok());
  EXPECT_EQ(300u, rows);
  refused(session.eval_hidden(tokens(3), 0, count), ErrorCode::kUnsupported, "takes a text at once");
  o.kv.budget = 64;
  auto bounded = Session::create(model, o);
  ASSERT_TRUE(bounded.ok()) << bounded.error().message;
  refused((*bounded)->eval_hidden(tokens(3), 0, count), ErrorCode::kUnsupported, "without a KV budget");
}

}  // namespace
}  // namespace kedge::engine
