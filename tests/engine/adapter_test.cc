// What adapters compute: the model with merged weights, within rounding; the same bits in every chunk, on every thread
// and beside every other sequence; and nothing at all for sequences without them.
#include <unistd.h>

#include <cstring>
#include <thread>

#include "engine/engine.h"
#include "engine/prefix_cache.h"
#include "engine/session_file.h"
#include "tests/engine/adapter_files.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;
using namespace testing_adapters;

std::vector<int32_t> some_tokens(const Model& model, int n, int salt = 0) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 37 + i / 5 + salt * 11) % (model.config().n_vocab - 4) + 3);
  return tokens;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return most;
}

SessionOptions with(std::vector<AdapterUse> uses) {
  SessionOptions o;
  o.kv_type = KvFormat::kF32;
  o.adapters = std::move(uses);
  return o;
}

std::string golden_model(const std::string& name) { return data_path("golden/" + name + "/model.gguf"); }

class Adapted : public testing::TestWithParam<const char*> {};

// Two adapters on everything that can be adapted.
TEST_P(Adapted, IsTheModelWithMergedWeights) {
  const std::string path = golden_model(GetParam());
  const auto model = load(path);
  ASSERT_NE(nullptr, model);
  const Draft first = random_draft(*model, 1);
  Draft second = random_draft(*model, 2);
  second.alpha = 0;  // then A and B are what is added
  const auto a = open(*model, write(first, "first"));
  const auto b = open(*model, write(second, "second"));
  ASSERT_TRUE(a && b);
  const auto merged = load(rewritten(path, "merged", [&](Values& v) {
    merge(first, 1.5, v);
    merge(second, -0.25, v);
  }));
  ASSERT_NE(nullptr, merged);
  const auto tokens = some_tokens(*model, 60);
  const auto got = all_logits(model, tokens, with({{a, 1.5f}, {b, -0.25f}}));
  const auto want = all_logits(merged, tokens, with({}));
  const auto base = all_logits(model, tokens, with({}));
  constexpr double kRounding = 2e-4;
  EXPECT_LT(largest_difference(got, want), kRounding);
  EXPECT_GT(largest_difference(got, base), 1000 * kRounding) << "the adapters hardly change anything";
}

class AdaptedBits : public testing::TestWithParam<const char*> {};

TEST_P(AdaptedBits, DoNotDependOnChunksAndThreads) {
  const auto model = load(data_path(std::string("golden/") + GetParam() + ".gguf"));
  ASSERT_NE(nullptr, model);
  const auto a = open(*model, write(random_draft(*model, 3, "F16"), "chunks"));
  const auto b = open(*model, write(random_draft(*model, 4, "BF16"), "chunks2"));
  ASSERT_TRUE(a && b);
  const auto tokens = some_tokens(*model, 90);
  SessionOptions options = with({{a, 0.7f}, {b, 1.0f}});
  options.n_threads = 1;
  const auto want = all_logits(model, tokens, options);
  for (const int chunk : {1, 3, 16, 33, 512}) {
    for (const int threads : {1, 2, 5}) {
      options.chunk = chunk;
      options.n_threads = threads;
      EXPECT_TRUE(same_bits(want, all_logits(model, tokens, options))) << chunk << " " << threads;
    }
  }
  // Rows whose logits nobody wants leave the step early.
  auto session = Session::create(model, options).value();
  ASSERT_TRUE(session->eval(tokens).ok());
  EXPECT_TRUE(same_bits(last_rows(want, session->logits().size()), session->logits()));
}

// Sequences with other adapters, other scales and none share an engine's steps.
TEST_P(AdaptedBits, DoNotDependOnNeighbours) {
  const auto model = load(data_path(std::string("golden/") + GetParam() + ".gguf"));
  ASSERT_NE(nullptr, model);
  const auto a = open(*model, write(random_draft(*model, 5), "mates"));
  const auto b = open(*model, write(random_draft(*model, 6, "Q8_0"), "mates2"));
  ASSERT_TRUE(a && b);
  const std::vector<std::vector<AdapterUse>> lists = {
      {}, {{a, 1.0f}}, {{a, 0.5f}}, {{b, 1.0f}}, {{b, 1.0f}, {a, 1.0f}}, {{a, 1.0f}}, {}, {{a, 0.0f}}};
  EngineOptions options;
  options.n_threads = 2;
  options.kv_type = KvFormat::kF32;
  const auto engine = Engine::create(model, options).value();
  std::vector<std::vector<float>> got(lists.size());
  std::vector<std::thread> callers;
  for (size_t i = 0; i < lists.size(); ++i) {
    callers.emplace_back([&, i] {
      SessionOptions own;
      own.n_ctx = 128;
      own.adapters = lists[i];
      auto session = engine->session(own).value();
      const auto tokens = some_tokens(*model, 40, static_cast<int>(i));
      ASSERT_TRUE(session->eval(std::span(tokens).first(25)).ok());
      for (size_t t = 25; t < tokens.size(); ++t) ASSERT_TRUE(session->eval(std::span(tokens).subspan(t, 1)).ok());
      got[i].assign(session->logits().begin(), session->logits().end());
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (size_t i = 0; i < lists.size(); ++i) {
    const auto alone = all_logits(model, some_tokens(*model, 40, static_cast<int>(i)), with(lists[i]));
    EXPECT_TRUE(same_bits(last_rows(alone, got[i].size()), got[i])) << "sequence " << i;
  }
  const auto off = all_logits(model, some_tokens(*model, 40, 7), with({}));
  EXPECT_TRUE(same_bits(last_rows(off, got[7].size()), got[7])) << "scale 0";
}

std::string test_name(const testing::TestParamInfo<const char*>& of) {
  std::string name = of.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, Adapted,
                         testing::Values("llama", "phi3", "qwen3moe", "gemma2", "deepseek2-lite", "lfm2", "gpt-oss"),
                         test_name);
INSTANTIATE_TEST_SUITE_P(Models, AdaptedBits,
                         testing::Values("phi3/model", "gpt-oss/model", "deepseek2-lite/model", "lfm2/model",
                                         "quant-llama/model-Q4_K_M", "quant-qwen3moe/model-Q8_0"),
                         test_name);

// Behind a layer something is added: what a bias of its feed-forward's last matrix would.
TEST(ControlVector, IsABiasBehindTheLayer) {
  const std::string path = golden_model("llama");
  const auto model = load(path);
  const auto d = static_cast<size_t>(model->config().d_model);
  Draft draft{.general_type = "", .arch = "controlvector", .adapter_type = "", .alpha = 0};
  std::vector<Values> biases;
  for (int layer = 0; layer < model->config().n_layers; ++layer) {
    Values v{"direction." + std::to_string(layer), {static_cast<int64_t>(d)}, std::vector<float>(d)};
    for (size_t i = 0; i < d; ++i) v.data[i] = static_cast<float>(static_cast<int>(i * 7 + 3) % 11 - 5) * 0.05f;
    draft.tensors.push_back(v);
    v.name = "blk." + std::to_string(layer) + ".ffn_down.bias";
    for (float& x : v.data) x *= -2;
    biases.push_back(v);
  }
  const auto vector = open(*model, write(draft, "control"));
  ASSERT_NE(nullptr, vector);
  EXPECT_EQ(Adapter::Kind::kControlVector, vector->kind());
  const auto biased = load(rewritten(
      path, "biased", [](Values&) {}, biases));
  ASSERT_NE(nullptr, biased);
  const auto tokens = some_tokens(*model, 40);
  const auto got = all_logits(model, tokens, with({{vector, -2.0f}}));
  EXPECT_LT(largest_difference(got, all_logits(biased, tokens, with({}))), 2e-4);
  EXPECT_GT(largest_difference(got, all_logits(model, tokens, with({}))), 0.1);
  SessionOptions options = with({{vector, -2.0f}});
  for (const int chunk : {1, 7}) {
    options.chunk = chunk;
    EXPECT_TRUE(same_bits(got, all_logits(model, tokens, options)));
  }
}

class AdaptedSession : public testing::Test {
 protected:
  std::shared_ptr<const Model> model_ = load(golden_model("llama"));
  std::shared_ptr<const Adapter> a_ = open(*model_, write(random_draft(*model_, 8), "session"));
  std::shared_ptr<const Adapter> b_ = open(*model_, write(random_draft(*model_, 9), "session2"));
  std::vector<int32_t> tokens_ = some_tokens(*model_, 70);

  std::vector<float> last_of(const std::vector<AdapterUse>& uses) const {
    auto session = Session::create(model_, with(uses)).value();
    EXPECT_TRUE(session->eval(tokens_).ok());
    return {session->logits().begin(), session->logits().end()};
  }
};

TEST_F(AdaptedSession, ForksAndGoesBackWithItsAdapters) {
  const auto want = last_of({{a_, 1}});
  auto session = Session::create(model_, with({{a_, 1}})).value();
  ASSERT_TRUE(session->eval(std::span(tokens_).first(30)).ok());
  const auto point = session->checkpoint().value();
  auto fork = session->fork().value();
  ASSERT_TRUE(fork->eval(std::span(tokens_).subspan(30)).ok());
  EXPECT_TRUE(same_bits(want, fork->logits()));
  ASSERT_TRUE(session->eval(std::span(tokens_).first(5)).ok());
  ASSERT_TRUE(session->rollback(*point).ok());
  ASSERT_TRUE(session->truncate(20).ok());
  ASSERT_TRUE(session->eval(std::span(tokens_).subspan(20)).ok());
  EXPECT_TRUE(same_bits(want, session->logits()));
}

TEST_F(AdaptedSession, PrefixCacheTellsAdaptersApart) {
  auto cache = PrefixCache::create(model_, with({})).value();
  const auto run = [&](const std::vector<AdapterUse>& uses, int reused) {
    auto acquired = cache->acquire(uses, tokens_).value();
    EXPECT_EQ(reused, acquired.n_reused);
    EXPECT_TRUE(acquired.session->eval(std::span(tokens_).subspan(static_cast<size_t>(acquired.n_reused))).ok());
    EXPECT_TRUE(same_bits(last_of(uses), acquired.session->logits()));
    EXPECT_TRUE(cache->store(*acquired.session).value());
  };
  const int all = static_cast<int>(tokens_.size());
  run({}, 0);
  run({{a_, 1}}, 0);
  run({{a_, 0.5f}}, 0);
  run({{b_, 1}}, 0);
  const auto reuse = [&](const std::vector<AdapterUse>& uses) {
    auto acquired = cache->acquire(uses, tokens_).value();
    EXPECT_EQ(all, acquired.n_reused);
    EXPECT_TRUE(same_bits(last_of(uses), acquired.session->logits()));
  };
  reuse({});
  reuse({{a_, 1}});
  reuse({{b_, 0}, {a_, 1}});
  // The same file opened again is the same adapter.
  reuse({{open(*model_, scratch_file("session")), 0.5f}});
}

TEST_F(AdaptedSession, FileGoesOnWithEqualAdaptersOnly) {
  const std::string path = testing::TempDir() + "kedge_adapted_session_" + std::to_string(getpid());
  auto session = Session::create(model_, with({{a_, 1}, {b_, 0.25f}})).value();
  ASSERT_TRUE(session->eval(std::span(tokens_).first(30)).ok());
  ASSERT_TRUE(SessionFile::save(*session, path).ok());
  auto again = SessionFile::load(model_, path, with({{a_, 1}, {b_, 0.25f}}));
  ASSERT_TRUE(again.ok()) << again.error().message;
  ASSERT_TRUE((*again)->eval(std::span(tokens_).subspan(30)).ok());
  EXPECT_TRUE(same_bits(last_of({{a_, 1}, {b_, 0.25f}}), (*again)->logits()));
  for (const std::vector<AdapterUse>& others :
       {std::vector<AdapterUse>{}, {{a_, 1}}, {{a_, 1}, {b_, 0.5f}}, {{b_, 0.25f}, {a_, 1}}}) {
    const auto refused = SessionFile::load(model_, path, with(others));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(ErrorCode::kInvalidArgument, refused.error().code);
    EXPECT_NE(std::string::npos, refused.error().message.find("'session2' (")) << refused.error().message;
  }
  auto plain = Session::create(model_, with({})).value();
  ASSERT_TRUE(plain->eval(tokens_).ok());
  ASSERT_TRUE(SessionFile::save(*plain, path).ok());
  EXPECT_TRUE(SessionFile::load(model_, path, with({})).ok());
  EXPECT_FALSE(SessionFile::load(model_, path, with({{a_, 1}})).ok());
  unlink(path.c_str());
}

TEST_F(AdaptedSession, RefusesListsThatMakeNoSense) {
  const auto refused = [&](std::vector<AdapterUse> uses, const std::shared_ptr<const Model>& model) {
    const auto made = Session::create(model, with(std::move(uses)));
    EXPECT_FALSE(made.ok());
    return made.ok() ? "" : made.error().message;
  };
  EXPECT_NE(std::string::npos, refused({{a_, NAN}}, model_).find("'session': its scale is no number"));
  EXPECT_NE(std::string::npos, refused({{nullptr, 1}}, model_).find("null"));
  EXPECT_NE(std::string::npos, refused(std::vector<AdapterUse>(17, {a_, 1}), model_).find("17 adapters"));
  EXPECT_NE(std::string::npos, refused({{a_, 1}}, load(golden_model("phi3"))).find("another model"));
}

}  // namespace
}  // namespace kedge::engine
