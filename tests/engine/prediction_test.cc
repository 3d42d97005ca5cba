// The block of a file that predicts further tokens: its numbers, and that guessing by it changes no bit.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "engine/generate.h"
#include "engine/guess/predictor.h"
#include "tests/engine/golden.h"
#include "weights/gguf_writer.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;
using Kind = SpeculationOptions::Kind;

// A golden model as a file of its own with such a block, made of its last layer with attention where it has none. The
// ends of the network are such that two tokens take turns at being all but certain.
class WithBlock {
 public:
  WithBlock(const std::string& golden, int blocks, int like)
      : path_(testing::TempDir() + "kedge_prediction_" + std::to_string(getpid()) + ".gguf") {
    auto source = TensorStore::open(data_path("golden/" + golden + "/model.gguf")).value();
    const std::string arch(*source.metadata().get_string("general.architecture"));
    GgufWriter writer;
    for (const GgufEntry& e : source.metadata().entries()) {
      if (e.key != arch + ".block_count" && e.key != arch + ".nextn_predict_layers") writer.copy(e);
    }
    writer.add(arch + ".block_count", static_cast<uint32_t>(blocks + 1));
    writer.add(arch + ".nextn_predict_layers", uint32_t{1});
    const auto add = [&](const std::string& name, std::span<const int64_t> dims, std::vector<float> values) {
      writer.add_tensor(name, *find_quant("F32"), dims);
      added_.emplace_back(name, std::move(values));
    };
    const std::string own = "blk." + std::to_string(blocks) + ".";
    const std::string other = "blk." + std::to_string(like) + ".";
    int64_t d = 0;
    for (const TensorInfo& t : source.tensors()) {
      const auto bytes = source.data(t);
      std::vector<float> values(bytes.size() / sizeof(float));
      std::memcpy(values.data(), bytes.data(), bytes.size());
      const auto dims = std::span(t.dims).first(static_cast<size_t>(t.n_dims));
      if (t.name == "output.weight") {
        d = dims[0];
        std::fill(values.begin(), values.end(), 0.0f);
        values[static_cast<size_t>(7 * d)] = 40;
        values[static_cast<size_t>(8 * d)] = -40;
      }
      const std::string name(t.name);
      if (name.starts_with(own)) continue;
      if (name.starts_with(other)) add(own + name.substr(other.size()), dims, values);
      add(name, dims, std::move(values));
    }
    std::mt19937 dice(5);
    std::vector<float> projection(static_cast<size_t>(2 * d * d));
    for (float& p : projection) p = static_cast<float>(static_cast<int>(dice() % 201) - 100) / 400;
    add(own + "nextn.eh_proj.weight", std::array{2 * d, d}, std::move(projection));
    for (const char* norm : {"enorm", "hnorm", "shared_head_norm"}) {
      add(own + "nextn." + norm + ".weight", std::array{d}, std::vector<float>(static_cast<size_t>(d), 1.0f));
    }
    EXPECT_TRUE(writer.begin(path_).ok());
    for (const auto& [name, values] : added_) {
      const Status written = writer.write(name, std::as_bytes(std::span(values)));
      EXPECT_TRUE(written.ok()) << written.error().message;
    }
    EXPECT_TRUE(writer.finish().ok());
  }
  ~WithBlock() { std::filesystem::remove(path_); }
  std::shared_ptr<const Model> load() const { return testing_golden::load(path_); }

 private:
  std::string path_;
  std::vector<std::pair<std::string, std::vector<float>>> added_;
};

std::unique_ptr<Session> session_of(const std::shared_ptr<const Model>& model, int n_threads = 1, int chunk = 64) {
  SessionOptions o;
  o.n_ctx = 256;
  o.n_threads = n_threads;
  o.chunk = chunk;
  o.kv_type = KvFormat::kF32;
  auto made = Session::create(model, o);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? std::move(made).value() : nullptr;
}

// A forward pass in double precision, of the golden's first eight tokens with made-up states: rows 2 and 7
// (prediction_reference.py).
TEST(Prediction, BlockSaysWhatTheReferenceSays) {
  const auto model = load(data_path("golden/qwen35/model.gguf"));
  ASSERT_NE(model, nullptr);
  const auto block = model->prediction();
  ASSERT_TRUE(block.ok()) << block.error().message;
  EXPECT_EQ(*model->prediction(), *block) << "it is made once";
  const auto want = read_floats(data_path("golden/qwen35/prediction.f32"));
  const std::vector<int32_t> tokens = {1, 268, 131, 150, 84, 164, 191, 157};
  const auto d = static_cast<size_t>(model->config().d_model);
  const auto width = static_cast<size_t>(model->config().n_vocab);
  ASSERT_EQ(want.size(), 2 * width);
  std::vector<float> states(tokens.size() * d);
  for (size_t i = 0; i < states.size(); ++i) {
    states[i] = static_cast<float>((i / d * 31 + i % d * 17) % 64) / 32 - 1;
  }
  std::vector<float> last;
  for (const int chunk : {64, 3, 1}) {
    auto session = session_of(*block, 1, chunk);
    std::vector<float> got;
    for (const auto& [from, to] : {std::pair<size_t, size_t>{0, 3}, {3, 8}}) {
      const Status read = session->eval_given(std::span(tokens).subspan(from, to - from),
                                              std::span(states).subspan(from * d, (to - from) * d), {});
      ASSERT_TRUE(read.ok()) << read.error().message;
      got.insert(got.end(), session->logits().begin(), session->logits().end());
    }
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 2e-5f * 10) << i << ", chunks of " << chunk;
    if (last.empty()) last = got;
    EXPECT_EQ(got, last) << "chunks of " << chunk;
  }
  auto session = session_of(*block);
  EXPECT_FALSE(session->eval_given(tokens, std::span(states).first(d), {}).ok());
}

// The states a sequence keeps are those that eval_hidden() gives, whatever is taken back in between.
TEST(Prediction, StatesAreThoseOfTheText) {
  const auto model = load(data_path("golden/qwen35/model.gguf"));
  const std::vector<int32_t> tokens = {1, 268, 131, 150, 84, 164, 191, 157, 20, 21};
  std::vector<float> want;
  ASSERT_TRUE(session_of(model)
                  ->eval_hidden(tokens, 0,
                                [&](int, std::span<const float> row) {
                                  want.insert(want.end(), row.begin(), row.end());
                                  return Status();
                                })
                  .ok());
  auto session = session_of(model, 1, 3);
  session->keep_states(100);
  const auto all = std::span<const int32_t>(tokens);
  ASSERT_TRUE(session->eval(all.first(6)).ok());
  const int32_t wrong[] = {191, 99};
  ASSERT_TRUE(session->eval_ahead(wrong, {}).ok());
  ASSERT_TRUE(session->truncate(7).ok());
  const int32_t guesses[] = {20, 50, 60};
  ASSERT_TRUE(session->eval_ahead(all.subspan(7, 1), guesses).ok());
  EXPECT_TRUE(session->take(20));
  EXPECT_FALSE(session->take(21));
  ASSERT_TRUE(session->eval_ahead(all.subspan(9, 1), {}).ok());
  EXPECT_EQ(session->states().first(), 0);
  ASSERT_EQ(session->states().end(), 10);
  const auto got = session->states().rows(0, 10);
  EXPECT_EQ(std::vector<float>(got.begin(), got.end()), want);
}

TEST(Prediction, StatesOfTheLastTokensAreKept) {
  StateRows rows;
  EXPECT_FALSE(rows.wanted());
  rows.watch(4);
  const auto put = [&](int position) {
    const float row[] = {static_cast<float>(position), 0.5f};
    rows.put(position, row);
  };
  for (int p = 3; p < 20; ++p) {
    put(p);
    EXPECT_EQ(rows.end(), p + 1);
    EXPECT_LE(rows.first(), std::max(3, p - 3));
    EXPECT_GT(rows.first(), p - 8);
    EXPECT_EQ(rows.rows(p - 1 < 3 ? 3 : p - 1, p + 1).back(), 0.5f);
  }
  put(18);
  EXPECT_EQ(rows.end(), 19);
  EXPECT_EQ(rows.rows(18, 19)[0], 18);
  put(40);
  EXPECT_EQ(rows.first(), 40);
  EXPECT_EQ(rows.end(), 41);
}

struct Case {
  const char* golden;
  int blocks;  // without those that predict
  int like;    // a block with attention
};

class PredictionOf : public testing::TestWithParam<Case> {};

TEST_P(PredictionOf, AnswersAreThoseWithout) {
  const WithBlock file(GetParam().golden, GetParam().blocks, GetParam().like);
  const auto model = file.load();
  ASSERT_NE(model, nullptr);
  std::mt19937 dice(8);
  size_t guessed = 0;
  size_t accepted = 0;
  auto kept = session_of(model);  // goes on from answer to answer
  std::vector<int32_t> text;
  for (int round = 0; round < 20; ++round) {
    std::vector<int32_t> prompt;
    for (size_t n = 4 + dice() % 30; prompt.size() < n;) prompt.push_back(static_cast<int32_t>(3 + dice() % 200));
    GenerateOptions options;
    options.max_tokens = 1 + static_cast<int>(dice() % 24);
    options.ignore_eos = true;
    options.logprobs = 1;
    options.sampler.seed = static_cast<uint64_t>(round);
    options.sampler.settings = {{"temperature", round % 2 == 0 ? 0.0 : 1.0}};
    const bool goes_on = round % 3 != 0;
    if (text.size() > 150) {
      ASSERT_TRUE(kept->truncate(20).ok());
      text.resize(20);
    }
    auto plain = session_of(model);
    auto fresh = session_of(model, 2, 5);
    if (goes_on && !text.empty()) {
      ASSERT_TRUE(plain->eval(text).ok());
    }
    const auto want = generate(*plain, prompt, options);
    ASSERT_TRUE(want.ok()) << want.error().message;
    options.speculation = {.kind = Kind::kMtp, .most = 1 + round % 5, .adaptive = round % 4 == 3};
    Session& session = goes_on ? *kept : *fresh;
    const auto got = generate(session, prompt, options);
    ASSERT_TRUE(got.ok()) << got.error().message;
    EXPECT_EQ(want->tokens, got->tokens) << round;
    EXPECT_EQ(want->text, got->text) << round;
    ASSERT_EQ(want->logprobs.size(), got->logprobs.size());
    for (size_t i = 0; i < want->logprobs.size(); ++i) EXPECT_EQ(want->logprobs[i].logprob, got->logprobs[i].logprob);
    EXPECT_TRUE(std::ranges::equal(plain->tokens(), session.tokens())) << round;
    EXPECT_TRUE(std::ranges::equal(plain->logits(), session.logits())) << round;
    if (!options.speculation.adaptive) {  // whether they pay depends on the machine
      EXPECT_EQ(got->speculation.stopped, "") << round;
    }
    if (goes_on) text.assign(kept->tokens().begin(), kept->tokens().end());
    guessed += got->speculation.guessed;
    accepted += got->speculation.accepted;
  }
  EXPECT_GT(accepted, 20u);           // it is no test where nothing is guessed right,
  EXPECT_GT(guessed, accepted + 10);  // or nothing wrong
}

INSTANTIATE_TEST_SUITE_P(Models, PredictionOf,
                         testing::Values(Case{"qwen35", 4, 3}, Case{"qwen35moe", 4, 3}, Case{"qwen3next", 4, 3},
                                         Case{"glm4moe", 3, 2}),
                         [](const auto& of) { return std::string(of.param.golden); });

TEST(Prediction, WhereThereIsNoBlockThatIsSaid) {
  for (const auto& [golden, what] : {std::pair<const char*, const char*>{"llama", "has no block that predicts"},
                                     {"qwen35moe", "nextn_predict_layers"}}) {
    auto session = session_of(load(data_path(std::string("golden/") + golden + "/model.gguf")));
    GenerateOptions options;
    options.speculation.kind = Kind::kMtp;
    const int32_t prompt[] = {1, 2, 3};
    const auto made = generate(*session, prompt, options);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(made.error().message.find(what), std::string::npos) << made.error().message;
    EXPECT_EQ(session->n_past(), 0);
  }
}

}  // namespace
}  // namespace kedge::engine
