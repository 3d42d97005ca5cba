// A token's logits do not depend on chunking, thread count, instruction set, truncation history or load path.
#include "tests/engine/golden.h"

#include <cstring>

#include "kernels/isa.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

std::vector<int32_t> long_prompt(const std::string& folder) {
  return read_json(data_path(folder + "golden.json"))["prompts"]["long"]["tokens"].get<std::vector<int32_t>>();
}

void expect_identical(const std::vector<float>& want, const std::vector<float>& got, const std::string& what) {
  ASSERT_EQ(want.size(), got.size()) << what;
  EXPECT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(float))) << what;
}

class Invariance : public testing::TestWithParam<std::string> {};

TEST_P(Invariance, ChunksAndThreads) {
  const std::string path = "golden/" + GetParam();
  const auto model = load(data_path(path));
  ASSERT_NE(nullptr, model);
  const auto tokens = long_prompt(path.substr(0, path.rfind('/') + 1));
  for (const KvFormat kv : {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8_0}) {
    if (kv == KvFormat::kQ8_0 && model->config().head_dim_k % 32 != 0) continue;
    SessionOptions options;
    options.kv_type = kv;
    options.n_threads = 1;
    options.chunk = 512;
    const auto want = all_logits(model, tokens, options);
    for (const int chunk : {1, 2, 3, 7, 16, 33, 512}) {
      for (const int threads : {1, 2, 3, 5}) {
        options.chunk = chunk;
        options.n_threads = threads;
        expect_identical(want, all_logits(model, tokens, options),
                         path + " chunk " + std::to_string(chunk) + " threads " + std::to_string(threads));
      }
    }
  }
}

// Rows nobody wants the logits of leave the step early: the others' do not know it.
TEST_P(Invariance, WantedRows) {
  const std::string path = "golden/" + GetParam();
  const auto model = load(data_path(path));
  ASSERT_NE(nullptr, model);
  const auto tokens = long_prompt(path.substr(0, path.rfind('/') + 1));
  const auto all = all_logits(model, tokens, {});
  const std::vector<float> want(all.end() - model->config().n_vocab, all.end());
  for (const int chunk : {7, 512}) {
    for (const int threads : {1, 3}) {
      SessionOptions options;
      options.chunk = chunk;
      options.n_threads = threads;
      auto session = Session::create(model, options).value();
      ASSERT_TRUE(session->eval(tokens).ok());
      expect_identical(want, {session->logits().begin(), session->logits().end()}, path);
    }
  }
}

std::vector<std::string> files() {
  std::vector<std::string> paths = {"quant-llama/model-Q4_0.gguf", "quant-llama/model-Q4_K_M.gguf",
                                    "quant-llama/model-F16.gguf", "quant-qwen3moe/model-Q8_0.gguf",
                                    "quant-qwen3moe/model-Q6_K.gguf"};
  for (const std::string& folder : golden_folders()) paths.push_back(folder + "/model.gguf");
  return paths;
}

INSTANTIATE_TEST_SUITE_P(Models, Invariance, testing::ValuesIn(files()));

// Over several chunks of the context decode spreads attention by chunks when the team is large beside the kv-heads.
TEST(Session, LongContextsDoNotDependOnThreads) {
  for (const char* name :
       {"golden/quant-llama/model-Q4_0.gguf", "golden/qwen3moe/model.gguf", "golden/deepseek2-v3/model.gguf",
        "golden/gemma4-e2b/model.gguf", "golden/gemma4-moe/model.gguf", "golden/rwkv7/model.gguf"}) {
    const auto model = load(data_path(name));
    ASSERT_NE(nullptr, model);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 1100; ++i) tokens.push_back((i * 131 + i / 7) % model->config().n_vocab);
    std::vector<float> want;
    for (const int threads : {1, 2, 8}) {
      for (const int first : {1100, 1021, 1000}) {
        SessionOptions options;
        options.n_ctx = 1200;
        options.n_threads = threads;
        auto session = Session::create(model, options).value();
        ASSERT_TRUE(session->eval(std::span(tokens).first(static_cast<size_t>(first))).ok());
        for (size_t i = static_cast<size_t>(first); i < tokens.size();) {  // 1 to 5 tokens at a time
          const size_t n = std::min(tokens.size() - i, 1 + i % 5);
          ASSERT_TRUE(session->eval(std::span(tokens).subspan(i, n)).ok());
          i += n;
        }
        const std::vector<float> got(session->logits().begin(), session->logits().end());
        if (want.empty()) want = got;
        expect_identical(want, got, std::string(name) + " threads " + std::to_string(threads));
      }
    }
  }
}

TEST(Session, DecodeAfterTruncateEqualsFreshPrefill) {
  const auto model = load(data_path("golden/quant-llama/model-Q4_K.gguf"));
  const auto tokens = long_prompt("golden/quant-llama/");
  auto fresh = Session::create(model, {}).value();
  ASSERT_TRUE(fresh->eval(tokens).ok());
  auto edited = Session::create(model, {}).value();
  ASSERT_TRUE(edited->eval(std::vector<int32_t>(tokens.rbegin(), tokens.rend())).ok());
  ASSERT_TRUE(edited->truncate(0).ok());
  EXPECT_TRUE(edited->logits().empty());
  ASSERT_TRUE(edited->eval(std::span(tokens).first(50)).ok());
  ASSERT_TRUE(edited->eval(std::span(tokens).subspan(100, 20)).ok());
  ASSERT_TRUE(edited->truncate(50).ok());
  for (size_t i = 50; i < tokens.size(); ++i) ASSERT_TRUE(edited->eval(std::span(tokens).subspan(i, 1)).ok());
  EXPECT_EQ(static_cast<int>(tokens.size()), edited->n_past());
  EXPECT_EQ(0, std::memcmp(fresh->logits().data(), edited->logits().data(), fresh->logits().size_bytes()));
}

TEST(Session, WithoutMmapTheSameBits) {
  const std::string path = data_path("golden/qwen3moe/model.gguf");
  const auto tokens = long_prompt("golden/qwen3moe/");
  ModelOptions read;
  read.use_mmap = false;
  const auto a = all_logits(load(path), tokens, {});
  const auto b = all_logits(Model::load(path, read).value(), tokens, {});
  expect_identical(a, b, "no mmap");
}

TEST(Session, FullContextIsAnErrorAndChangesNothing) {
  const auto model = load(data_path("golden/llama/model.gguf"));
  SessionOptions options;
  options.n_ctx = 40;
  auto session = Session::create(model, options).value();
  const std::vector<int32_t> tokens(41, 5);
  const Status too_long = session->eval(tokens);
  ASSERT_FALSE(too_long.ok());
  EXPECT_EQ(ErrorCode::kCapacity, too_long.error().code);
  EXPECT_NE(std::string::npos, too_long.error().message.find("41 more do not fit into a context of 40"));
  EXPECT_EQ(0, session->n_past());
  ASSERT_TRUE(session->eval(std::span(tokens).first(40)).ok());
  EXPECT_FALSE(session->eval(std::span(tokens).first(1)).ok());
  EXPECT_EQ(40, session->n_past());
}

TEST(Session, RefusesWrongTokensAndOptions) {
  const auto model = load(data_path("golden/llama/model.gguf"));
  auto session = Session::create(model, {}).value();
  const int n_vocab = model->config().n_vocab;
  for (const int32_t bad : {-1, n_vocab}) {
    const Status s = session->eval(std::vector<int32_t>{1, bad});
    ASSERT_FALSE(s.ok());
    EXPECT_NE(std::string::npos, s.error().message.find("token " + std::to_string(bad) + " at index 1"));
  }
  EXPECT_FALSE(session->eval({}).ok());
  EXPECT_FALSE(session->truncate(1).ok());
  SessionOptions options;
  options.chunk = 0;
  EXPECT_FALSE(Session::create(model, options).ok());
  options = {};
  options.n_threads = -1;
  EXPECT_FALSE(Session::create(model, options).ok());
}

TEST(Session, CancelStopsBetweenChunks) {
  const auto model = load(data_path("golden/llama/model.gguf"));
  SessionOptions options;
  options.chunk = 8;
  auto session = Session::create(model, options).value();
  EvalHooks hooks;
  hooks.progress = [](size_t done, size_t) { return done < 16; };
  const Status s = session->eval(std::vector<int32_t>(40, 3), hooks);
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(ErrorCode::kCancelled, s.error().code);
  EXPECT_EQ(16, session->n_past());
  std::atomic<bool> cancel{true};
  hooks = {};
  hooks.cancel = &cancel;
  EXPECT_EQ(ErrorCode::kCancelled, session->eval(std::vector<int32_t>{3}, hooks).error().code);
  EXPECT_EQ(16, session->n_past());
}

TEST(Model, UnknownArchitectureIsNamed) {
  const auto model = Model::load(data_path("vocab/ggml-vocab-llama-spm.gguf"));
  ASSERT_FALSE(model.ok());
  EXPECT_NE(std::string::npos, model.error().message.find("ggml-vocab-llama-spm.gguf")) << model.error().message;
}

}  // namespace
}  // namespace kedge::engine
