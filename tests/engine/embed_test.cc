// Embeddings: the reference's hidden states, pooled; the same bits alone and among others.
#include "engine/embed.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <thread>

#include "engine/engine.h"
#include "engine/generate.h"
#include "kedge/kedge.hpp"
#include "tests/engine/golden.h"
#include "weights/gguf_writer.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;
using Floats = std::vector<float>;

std::shared_ptr<engine::Engine> engine_of(const std::shared_ptr<const engine::Model>& model,
                                          engine::EngineOptions options = {}) {
  if (options.n_threads == 0) options.n_threads = 1;
  auto made = engine::Engine::create(model, options);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? *made : nullptr;
}

engine::SessionOptions one_thread(KvFormat type = KvFormat::kF16) {
  engine::SessionOptions o;
  o.n_threads = 1;
  o.kv_type = type;
  return o;
}

Floats vectors(engine::Engine& engine, const std::vector<int32_t>& tokens, Pooling pooling, bool normalise = false) {
  auto made = embed(engine, tokens, {.pooling = pooling, .normalise = normalise});
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? *std::move(made) : Floats();
}

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<int32_t> tokens(int n, int seed = 1) {
  std::vector<int32_t> t;
  for (int i = 0; i < n; ++i) t.push_back((i * 37 + i * i * seed) % 250 + 3);
  return t;
}

const float* floats_of(const TensorStore& store, const char* name) {
  const TensorInfo* info = store.find(name);
  EXPECT_NE(info, nullptr) << name;
  return info == nullptr ? nullptr : reinterpret_cast<const float*>(store.data(*info).data());
}

// The reference wrote down the residual stream behind the last layer; the final norm is worked out here.
Floats reference(const nlohmann::json& golden, const std::string& folder, const engine::Model& model) {
  const auto shape = golden["hidden"]["shape"].get<std::vector<size_t>>();
  const Floats all = read_floats(folder + "/" + golden["hidden"]["file"].get<std::string>());
  EXPECT_EQ(all.size(), shape[0] * shape[1] * shape[2]);
  const float* weight = floats_of(model.store(), "output_norm.weight");
  Floats out;
  for (size_t position = 0; position < shape[1]; ++position) {
    const float* x = all.data() + ((shape[0] - 1) * shape[1] + position) * shape[2];
    double squares = 0;
    for (size_t i = 0; i < shape[2]; ++i) squares += static_cast<double>(x[i]) * x[i];
    const double scale = 1 / std::sqrt(squares / static_cast<double>(shape[2]) + model.config().norm_eps);
    for (size_t i = 0; i < shape[2]; ++i) out.push_back(static_cast<float>(x[i] * scale * weight[i]));
  }
  return out;
}

TEST(Embed, RowsAreTheReferencesHiddenStates) {
  size_t checked = 0;
  for (const std::string& name : golden_folders("hidden")) {
    const std::string folder = data_path("golden/" + name);
    const auto golden = read_json(folder + "/golden.json");
    if (!std::filesystem::exists(folder + "/" + golden["hidden"]["file"].get<std::string>())) continue;
    const auto model = load(folder + "/" + golden["model"].get<std::string>());
    ASSERT_NE(model, nullptr);
    const auto shared = engine_of(model, {.kv_type = KvFormat::kF32});
    const auto prompt = golden["prompts"]["short"]["tokens"].get<std::vector<int32_t>>();
    const Floats rows = vectors(*shared, prompt, Pooling::kNone);
    const Floats wanted = reference(golden, folder, *model);
    ASSERT_EQ(rows.size(), wanted.size()) << name;
    const auto tolerance = golden["tolerance"]["f32_atol"].get<float>();
    for (size_t i = 0; i < rows.size(); ++i) ASSERT_NEAR(rows[i], wanted[i], tolerance) << name << " " << i;
    ++checked;
  }
  EXPECT_GE(checked, 3u);
}

// Rows times the output matrix, with what an architecture does behind it, are the logits, which have references of
// their own for every architecture.
TEST(Embed, RowsTimesTheOutputMatrixAreTheLogits) {
  size_t checked = 0;
  for (const std::string& name : golden_folders()) {
    const auto model = load(data_path("golden/" + name + "/model.gguf"));
    ASSERT_NE(model, nullptr);
    const bool tied = model->store().find("output.weight") == nullptr;
    const char* output = tied ? "token_embd.weight" : "output.weight";
    if (std::string(model->store().find(output)->type->name) != "F32") continue;
    const float* matrix = floats_of(model->store(), output);
    const bool biased = model->store().find("output.bias") != nullptr;
    const float* bias = biased ? floats_of(model->store(), "output.bias") : nullptr;
    const double cap = model->config().logit_softcap;
    const auto prompt = tokens(40);
    SessionOptions options = one_thread(KvFormat::kF32);
    options.n_ctx = static_cast<int>(prompt.size());  // as for the vectors
    const Floats logits = all_logits(model, prompt, options);
    const Floats rows = vectors(*engine_of(model, {.kv_type = KvFormat::kF32}), prompt, Pooling::kNone);
    const auto d = static_cast<size_t>(model->config().d_model);
    const auto n_vocab = static_cast<size_t>(model->config().n_vocab);
    ASSERT_EQ(rows.size(), prompt.size() * d);
    for (size_t p = 0; p < prompt.size(); ++p) {
      for (size_t v = 0; v < n_vocab; v += 7) {
        double sum = 0;
        for (size_t i = 0; i < d; ++i) sum += static_cast<double>(rows[p * d + i]) * matrix[v * d + i];
        if (biased) sum += static_cast<double>(bias[v]);
        sum *= static_cast<double>(model->config().logit_scale);
        if (cap > 0) sum = cap * std::tanh(sum / cap);
        ASSERT_NEAR(sum, logits[p * n_vocab + v], 1e-3) << name << " position " << p;
      }
    }
    ++checked;
  }
  EXPECT_GE(checked, 5u);
}

TEST(Embed, PoolingIsWhatItSays) {
  const auto model = load(data_path("golden/qwen3/model.gguf"));
  const auto shared = engine_of(model);
  const auto text = tokens(70);
  const Floats rows = vectors(*shared, text, Pooling::kNone);
  const auto d = static_cast<size_t>(model->config().d_model);
  ASSERT_EQ(rows.size(), text.size() * d);
  EXPECT_TRUE(
      same_bits(vectors(*shared, text, Pooling::kCls), Floats(rows.begin(), rows.begin() + static_cast<int>(d))));
  EXPECT_TRUE(same_bits(vectors(*shared, text, Pooling::kLast), Floats(rows.end() - static_cast<int>(d), rows.end())));
  const Floats mean = vectors(*shared, text, Pooling::kMean);
  ASSERT_EQ(mean.size(), d);
  for (size_t i = 0; i < d; ++i) {
    double sum = 0;
    for (size_t p = 0; p < text.size(); ++p) sum += rows[p * d + i];
    EXPECT_EQ(mean[i], static_cast<float>(sum / static_cast<double>(text.size())));
  }
  const Floats unit = vectors(*shared, text, Pooling::kNone, true);
  for (size_t p = 0; p < text.size(); ++p) {
    double squares = 0;
    for (size_t i = 0; i < d; ++i) squares += static_cast<double>(unit[p * d + i]) * unit[p * d + i];
    EXPECT_NEAR(squares, 1, 1e-6);
    EXPECT_GT(unit[p * d] * rows[p * d], 0) << "the direction stays";
  }
  const auto unsaid = embed(*shared, text, {.normalise = false});
  ASSERT_TRUE(unsaid.ok());
  EXPECT_TRUE(same_bits(*unsaid, mean)) << "the file says nothing";
}

TEST(Embed, ThreadsStepsAndCompanyChangeNoBit) {
  for (const char* name : {"quant-llama/model-Q4_K.gguf", "quant-qwen3moe/model-Q8_0.gguf"}) {
    const auto model = load(data_path(std::string("golden/") + name));
    ASSERT_NE(model, nullptr);
    const std::vector<std::vector<int32_t>> texts = {tokens(1), tokens(33, 2), tokens(100, 3), tokens(64, 4)};
    const auto all = [&](engine::Engine& shared, size_t i) {
      Floats values;
      for (const Pooling p : {Pooling::kNone, Pooling::kMean, Pooling::kCls, Pooling::kLast}) {
        const Floats v = vectors(shared, texts[i], p, p == Pooling::kMean);
        values.insert(values.end(), v.begin(), v.end());
      }
      return values;
    };
    std::vector<Floats> alone;
    const auto plain = engine_of(model);
    for (size_t i = 0; i < texts.size(); ++i) alone.push_back(all(*plain, i));
    for (const int step : {7, 512}) {
      const auto shared = engine_of(model, {.n_threads = 3, .step_tokens = step, .step_ms = -1});
      std::vector<Floats> together(texts.size());
      std::vector<int32_t> written;
      std::vector<std::thread> threads;
      for (size_t i = 0; i < texts.size(); ++i) threads.emplace_back([&, i] { together[i] = all(*shared, i); });
      threads.emplace_back([&] {  // and somebody who writes
        auto session = shared->session({});
        ASSERT_TRUE(session.ok());
        GenerateOptions o{.max_tokens = 40, .ignore_eos = true};
        o.sampler.settings = {{"temperature", 0.0}};
        const auto g = generate(**session, tokens(20), o);
        ASSERT_TRUE(g.ok());
        written = g->tokens;
      });
      for (std::thread& t : threads) t.join();
      for (size_t i = 0; i < texts.size(); ++i) EXPECT_TRUE(same_bits(alone[i], together[i])) << name << " " << i;
      auto session = engine::Session::create(model, one_thread());
      ASSERT_TRUE(session.ok());
      GenerateOptions o{.max_tokens = 40, .ignore_eos = true};
      o.sampler.settings = {{"temperature", 0.0}};
      EXPECT_EQ(generate(**session, tokens(20), o)->tokens, written);
      EXPECT_EQ(shared->stats().pages_in_use, 0u);
      EXPECT_EQ(shared->stats().sequences, 0u);
    }
  }
}

// A copy of a golden model that says how texts become vectors.
std::shared_ptr<const engine::Model> saying(uint32_t pooling) {
  const auto source = TensorStore::open(data_path("golden/qwen3/model.gguf"));
  EXPECT_TRUE(source.ok());
  const std::string path = testing::TempDir() + "kedge_pooling_" + std::to_string(getpid()) + ".gguf";
  GgufWriter writer;
  for (const GgufEntry& e : source->metadata().entries()) writer.copy(e);
  writer.add("qwen3.pooling_type", pooling);
  for (const TensorInfo& t : source->tensors()) {
    writer.add_tensor(t.name, *t.type, std::span(t.dims).first(static_cast<size_t>(t.n_dims)));
  }
  EXPECT_TRUE(writer.begin(path).ok());
  for (const TensorInfo& t : source->tensors()) EXPECT_TRUE(writer.write(t.name, source->data(t)).ok());
  EXPECT_TRUE(writer.finish().ok());
  auto model = load(path);
  std::filesystem::remove(path);
  return model;
}

TEST(Embed, TheFilesPoolingIsObeyed) {
  const auto plain = engine_of(load(data_path("golden/qwen3/model.gguf")));
  const auto text = tokens(9);
  for (const uint32_t number : {0u, 1u, 2u, 3u}) {
    const auto model = saying(number);
    ASSERT_NE(model, nullptr);
    const auto made = embed(*engine_of(model), text, {.normalise = false});
    ASSERT_TRUE(made.ok()) << made.error().message;
    EXPECT_TRUE(same_bits(*made, vectors(*plain, text, static_cast<Pooling>(number)))) << number;
    const auto own = pooling_of(*model);
    ASSERT_TRUE(own.ok() && own->has_value());
    EXPECT_EQ(static_cast<uint32_t>(**own), number);
  }
  const auto ranking = saying(4);
  const auto refused = embed(*engine_of(ranking), text);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("qwen3.pooling_type = 4"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(embed(*engine_of(ranking), text, {.pooling = Pooling::kMean}).ok()) << "who says it himself may";
}

TEST(Embed, PublicInterfaceGivesTheSameAndNamesWhatIsWrong) {
  const std::string path = data_path("golden/quant-llama/model-Q8_0.gguf");
  auto model = kedge::Model::open(path);
  ASSERT_TRUE(model.ok());
  auto shared = kedge::Engine::create(*model, {.n_threads = 1});
  ASSERT_TRUE(shared.ok());
  const auto text = tokens(50);
  const auto made = shared->embed(text, {.pooling = KEDGE_POOLING_LAST});
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_TRUE(same_bits(*made, vectors(*engine_of(load(path)), text, Pooling::kLast, true)));
  EXPECT_EQ(made->size(), static_cast<size_t>(model->info().d_model));

  const auto wrong = [&](const std::vector<int32_t>& t, const kedge::EmbedOptions& o, kedge_status code,
                         const std::string& what) {
    const auto refused = shared->embed(t, o);
    ASSERT_FALSE(refused.ok()) << what;
    EXPECT_EQ(refused.error().code, code) << refused.error().message;
    EXPECT_NE(refused.error().message.find(what), std::string::npos) << refused.error().message;
  };
  wrong({}, {}, KEDGE_INVALID_ARGUMENT, "no tokens");
  wrong({1, 100000}, {}, KEDGE_INVALID_ARGUMENT, "token 100000 at index 1");
  wrong(text, {.deadline_ms = -1}, KEDGE_INVALID_ARGUMENT, "deadline_ms");
  const int n_ctx = model->info().n_ctx_train;
  wrong(tokens(n_ctx + 1), {}, KEDGE_CAPACITY,
        "has " + std::to_string(n_ctx + 1) + " tokens, the model's context has room for " + std::to_string(n_ctx));
  auto cancel = kedge::Cancel::create();
  ASSERT_TRUE(cancel.ok());
  cancel->set();
  wrong(text, {.cancel = &*cancel}, KEDGE_CANCELLED, "cancelled");
  cancel->set(false);
  EXPECT_TRUE(shared->embed(text, {.cancel = &*cancel}).ok());
  kedge_embed_options raw;
  kedge_embed_options_init(&raw, sizeof raw);
  raw.pooling = 9;
  float* values = nullptr;
  size_t n = 0;
  EXPECT_EQ(kedge_embed(shared->get(), text.data(), text.size(), &raw, &values, &n), KEDGE_INVALID_ARGUMENT);
  EXPECT_STREQ(kedge_last_error(), "pooling = 9 is none of kedge_pooling");
  EXPECT_EQ(kedge_embed(nullptr, text.data(), text.size(), nullptr, nullptr, nullptr), KEDGE_INVALID_ARGUMENT);
  const auto stats = nlohmann::json::parse(*shared->stats());
  EXPECT_EQ(stats["sequences"], 0);
  EXPECT_EQ(stats["pages"]["in_use"], 0);
}

// Numbers that are none end the call, not the step's others.
TEST(Embed, OverflowIsAnError) {
  const auto source = TensorStore::open(data_path("golden/llama/model.gguf"));
  ASSERT_TRUE(source.ok());
  const std::string path = testing::TempDir() + "kedge_overflow_" + std::to_string(getpid()) + ".gguf";
  GgufWriter writer;
  for (const GgufEntry& e : source->metadata().entries()) writer.copy(e);
  for (const TensorInfo& t : source->tensors()) {
    writer.add_tensor(t.name, *t.type, std::span(t.dims).first(static_cast<size_t>(t.n_dims)));
  }
  ASSERT_TRUE(writer.begin(path).ok());
  for (const TensorInfo& t : source->tensors()) {
    std::vector<std::byte> bytes(source->data(t).begin(), source->data(t).end());
    if (t.name == "output_norm.weight") {
      const float infinite = HUGE_VALF;
      std::memcpy(bytes.data(), &infinite, sizeof infinite);
    }
    ASSERT_TRUE(writer.write(t.name, bytes).ok());
  }
  ASSERT_TRUE(writer.finish().ok());
  const auto model = load(path);
  std::filesystem::remove(path);
  ASSERT_NE(model, nullptr);
  const auto refused = embed(*engine_of(model), tokens(5), {.pooling = Pooling::kLast});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInternal);
  EXPECT_NE(refused.error().message.find("position 4"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace kedge::engine
