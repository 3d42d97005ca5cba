// Parts of architectures that golden models alone do not reach: more heads on one latent than a call of the kernels
// takes (the golden model with every head 32 times, each copy giving a 32nd of the output, is the same function), and
// what depends on the context a session is made with.
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "tests/engine/golden.h"
#include "weights/gguf_writer.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

constexpr int kCopies = 32;

// Values of a float tensor with its heads copied, and its new dimensions.
std::vector<float> copied(const TensorStore& store, const TensorInfo& t, std::vector<int64_t>& dims) {
  dims.assign(t.dims.begin(), t.dims.begin() + t.n_dims);
  const auto bytes = store.data(t);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  const std::string_view name = t.name;
  std::vector<float> out;
  if (name.ends_with("attn_output.weight")) {  // rows of inputs
    const auto width = static_cast<size_t>(dims[0]);
    for (size_t at = 0; at < values.size(); at += width) {
      for (int i = 0; i < kCopies; ++i) {
        for (size_t j = 0; j < width; ++j) out.push_back(values[at + j] / kCopies);
      }
    }
    dims[0] *= kCopies;
    return out;
  }
  const bool heads = name.ends_with("attn_q.weight") || name.ends_with("attn_q_b.weight") ||
                     name.ends_with("attn_k_b.weight") || name.ends_with("attn_v_b.weight");
  if (!heads) return values;
  for (int i = 0; i < kCopies; ++i) out.insert(out.end(), values.begin(), values.end());
  dims.back() *= kCopies;
  return out;
}

// The golden model with kCopies times its heads.
std::shared_ptr<const Model> model_of_many_heads(const std::string& golden) {
  const auto store = TensorStore::open(data_path("golden/" + golden + "/model.gguf")).value();
  GgufWriter writer;
  uint32_t n_heads = 0;
  for (const GgufEntry& e : store.metadata().entries()) {
    if (e.key != "deepseek2.attention.head_count") {
      writer.copy(e);
    } else {
      n_heads = store.metadata().get_u32(e.key).value() * kCopies;
      writer.add(e.key, n_heads);
    }
  }
  std::vector<std::pair<std::string, std::vector<float>>> tensors;
  for (const TensorInfo& t : store.tensors()) {
    std::vector<int64_t> dims;
    tensors.emplace_back(t.name, copied(store, t, dims));
    writer.add_tensor(t.name, *t.type, dims);
  }
  const std::string path = testing::TempDir() + "kedge_heads_" + std::to_string(getpid()) + ".gguf";
  EXPECT_TRUE(writer.begin(path).ok());
  for (const auto& [name, values] : tensors) EXPECT_TRUE(writer.write(name, std::as_bytes(std::span(values))).ok());
  EXPECT_TRUE(writer.finish().ok());
  auto model = load(path);
  std::filesystem::remove(path);
  EXPECT_EQ(model->config().n_heads, static_cast<int>(n_heads));
  return model;
}

class ManyHeads : public testing::TestWithParam<const char*> {};

TEST_P(ManyHeads, AreTheSameFunction) {
  const std::string folder = std::string("golden/") + GetParam() + "/";
  const auto model = model_of_many_heads(GetParam());
  ASSERT_NE(model, nullptr);
  ASSERT_GT(model->config().n_heads, kMaxAttendRows);
  const auto prompt = read_json(data_path(folder + "golden.json"))["prompts"]["long"];
  const auto tokens = prompt["tokens"].get<std::vector<int32_t>>();
  const auto want = read_floats(data_path(folder + prompt["logits"].get<std::string>()));
  SessionOptions options;
  options.kv_type = KvFormat::kF32;
  const auto all = all_logits(model, tokens, options);
  const auto got = last_rows(all, want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-3f) << i;
  for (const int chunk : {1, 7, 33}) {
    for (const int threads : {1, 2, 5}) {
      options.chunk = chunk;
      options.n_threads = threads;
      EXPECT_EQ(all_logits(model, tokens, options), all) << "chunk " << chunk << " threads " << threads;
    }
  }
}

// Counted attention of all heads of a latent together, whatever a step has.
TEST_P(ManyHeads, AreCountedTogether) {
  const auto model = model_of_many_heads(GetParam());
  ASSERT_NE(model, nullptr);
  std::vector<int32_t> tokens;
  for (int i = 0; i < 300; ++i) tokens.push_back((i * 131 + i / 7) % model->config().n_vocab);
  std::vector<float> want;
  for (const int chunk : {1, 7, 64}) {
    for (const int threads : {1, 3}) {
      SessionOptions options;
      options.n_ctx = 400;
      options.chunk = chunk;
      options.n_threads = threads;
      options.kv.policy = "h2o";
      options.kv.budget = 96;
      auto session = Session::create(model, options).value();
      ASSERT_TRUE(session->eval(tokens).ok());
      const std::vector<float> got(session->logits().begin(), session->logits().end());
      if (want.empty()) want = got;
      EXPECT_EQ(got, want) << "chunk " << chunk << " threads " << threads;
    }
  }
}

// Contexts of several chunks, which decode spreads over threads.
TEST_P(ManyHeads, OverLongContexts) {
  const auto model = model_of_many_heads(GetParam());
  ASSERT_NE(model, nullptr);
  std::vector<int32_t> tokens;
  for (int i = 0; i < 1100; ++i) tokens.push_back((i * 131 + i / 7) % model->config().n_vocab);
  std::vector<float> want;
  for (const int threads : {1, 4}) {
    SessionOptions options;
    options.n_ctx = 1100;
    options.n_threads = threads;
    auto session = Session::create(model, options).value();
    ASSERT_TRUE(session->eval(std::span(tokens).first(1090)).ok());
    for (size_t i = 1090; i < tokens.size(); ++i) ASSERT_TRUE(session->eval(std::span(tokens).subspan(i, 1)).ok());
    const std::vector<float> got(session->logits().begin(), session->logits().end());
    if (want.empty()) want = got;
    EXPECT_EQ(got, want) << threads;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, ManyHeads, testing::Values("deepseek2-lite", "deepseek2-v3"));

// What belongs to no layer: a model with learned positions has no more of them.
TEST(LearnedPositions, AreAllThereAre) {
  const auto model = load(data_path("golden/gpt2/model.gguf"));
  ASSERT_NE(model, nullptr);
  SessionOptions options;
  options.n_ctx = 257;
  const auto session = Session::create(model, options);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(session.error().message.find("257"), std::string::npos) << session.error().message;
  EXPECT_NE(session.error().message.find("256 positions"), std::string::npos) << session.error().message;
  options.n_ctx = 256;
  EXPECT_TRUE(Session::create(model, options).ok());
}

// The context a session is made with decides which of two kinds of positions it has, not what is in it.
TEST(LongRope, IsOfTheContext) {
  const auto model = load(data_path("golden/phi3-longrope/model.gguf"));
  ASSERT_NE(model, nullptr);
  const std::vector<int32_t> tokens = {1, 5, 9, 33, 7};
  std::vector<std::vector<float>> logits;
  for (const int n_ctx : {16, 300, 301, 1200}) {
    SessionOptions options;
    options.n_ctx = n_ctx;
    logits.push_back(all_logits(model, tokens, options));
  }
  EXPECT_EQ(logits[0], logits[1]);
  EXPECT_EQ(logits[2], logits[3]);
  EXPECT_NE(logits[1], logits[2]);
}

}  // namespace
}  // namespace kedge::engine
