// Parts of a file that nothing reads: a tensor or a key that this program does not know may mean other numbers, so it
// is refused by its name, whatever the architecture.
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "engine/vocab_loader.h"
#include "tests/engine/golden.h"
#include "weights/gguf_writer.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

// A golden model as a file of its own, with things added to it; without this key of its architecture.
class Variant {
 public:
  explicit Variant(const std::string& golden, const std::string& without = "")
      : source_(TensorStore::open(data_path("golden/" + golden + "/model.gguf")).value()),
        path_(testing::TempDir() + "kedge_variant_" + std::to_string(getpid()) + ".gguf") {
    for (const GgufEntry& e : source_.metadata().entries()) {
      if (e.key != arch() + "." + without) writer_.copy(e);
    }
    for (const TensorInfo& t : source_.tensors()) {
      writer_.add_tensor(t.name, *t.type, std::span(t.dims).first(static_cast<size_t>(t.n_dims)));
    }
  }
  ~Variant() { std::filesystem::remove(path_); }

  std::string arch() const { return std::string(*source_.metadata().get_string("general.architecture")); }
  bool has_key(const std::string& key) const { return source_.metadata().has(arch() + "." + key); }
  bool has_tensor(const std::string& name) const { return source_.find(name) != nullptr; }
  GgufWriter& keys() { return writer_; }
  Variant& tensor(const std::string& name, std::vector<float> values) {
    const int64_t n = static_cast<int64_t>(values.size());
    writer_.add_tensor(name, *find_quant("F32"), std::span(&n, 1));
    added_.emplace_back(name, std::move(values));
    return *this;
  }
  Result<std::shared_ptr<const Model>> load() {
    KEDGE_TRY(writer_.begin(path_));
    for (const TensorInfo& t : source_.tensors()) KEDGE_TRY(writer_.write(t.name, source_.data(t)));
    for (const auto& [name, values] : added_) KEDGE_TRY(writer_.write(name, std::as_bytes(std::span(values))));
    KEDGE_TRY(writer_.finish());
    return Model::load(path_);
  }

 private:
  TensorStore source_;
  std::string path_;
  GgufWriter writer_;
  std::vector<std::pair<std::string, std::vector<float>>> added_;
};

void expect_refused(Variant& variant, const std::string& name) {
  const auto model = variant.load();
  ASSERT_FALSE(model.ok()) << name << " is ignored";
  EXPECT_EQ(model.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(model.error().message.find(name), std::string::npos) << model.error().message;
}

// Logits of the golden prompt that is long enough for a small window.
std::vector<float> short_logits(const std::shared_ptr<const Model>& model, const std::string& golden) {
  const auto prompts = read_json(data_path("golden/" + golden + "/golden.json"))["prompts"];
  return all_logits(model, prompts["short"]["tokens"].get<std::vector<int32_t>>(), {});
}

// A key is refused by its name or does not fit the rest of the file, or else it is read: then there are other logits.
void expect_refused_or_used(Variant& variant, const std::string& name, const std::string& golden) {
  const auto model = variant.load();
  if (!model.ok()) {
    const bool named = model.error().message.find(name) != std::string::npos;
    EXPECT_TRUE(named || model.error().code != ErrorCode::kUnsupported) << model.error().message;
    return;
  }
  const auto plain = load(data_path("golden/" + golden + "/model.gguf"));
  ASSERT_NE(plain, nullptr);
  EXPECT_NE(short_logits(*model, golden), short_logits(plain, golden)) << name << " is ignored";
}

class UnreadParts : public testing::TestWithParam<std::string> {};

TEST_P(UnreadParts, TensorsAreRefusedByName) {
  for (const char* name : {"blk.0.attn_sinks.weight", "blk.0.ffn_down.scale", "blk.1.post_attention_norm.weight",
                           "output.bias", "blk.7.attn_norm.weight", "token_embd_norm.weight", "blk.0.ffn_norm.bias"}) {
    Variant variant(GetParam());
    if (variant.has_tensor(name)) continue;
    variant.tensor(name, {1});
    expect_refused(variant, name);
  }
}

TEST_P(UnreadParts, KeysThatMayChangeNumbersAreReadOrRefusedByName) {
  const std::pair<const char*, float> keys[] = {
      {"attention.scale", 0.5f},   {"logit_scale", 0.25f},    {"final_logit_softcapping", 7.5f},
      {"residual_scale", 0.21f},   {"embedding_scale", 2.5f}, {"rope.scaling.yarn_log_multiplier", 0.05f},
      {"a_key_of_next_year", 1.0f}};
  for (const auto& [key, value] : keys) {
    Variant variant(GetParam(), key);
    const std::string name = variant.arch() + "." + key;
    variant.keys().add(name, value);
    expect_refused_or_used(variant, name, GetParam());
  }
  for (const auto& [key, value] : {std::pair<const char*, uint32_t>{"attention.sliding_window", 16},
                                   {"expert_gating_func", 3},
                                   {"expert_shared_count", 3},
                                   {"nextn_predict_layers", 1}}) {
    Variant variant(GetParam(), key);
    if (std::string_view(key) == "expert_shared_count" && variant.has_key("expert_shared_feed_forward_length"))
      continue;
    if (std::string_view(key) == "nextn_predict_layers" && variant.has_key(key)) continue;  // it has one already
    const std::string name = variant.arch() + "." + key;
    variant.keys().add(name, value);
    expect_refused_or_used(variant, name, GetParam());
  }
  Variant rope(GetParam(), "rope.scaling.type");
  const std::string type = rope.arch() + ".rope.scaling.type";
  rope.keys().add_string(type, "of_next_year");
  expect_refused(rope, type);
  Variant tokenizer(GetParam());
  tokenizer.keys().add("tokenizer.ggml.a_rule_of_next_year", true);
  expect_refused(tokenizer, "tokenizer.ggml.a_rule_of_next_year");
  Variant adapter(GetParam());
  adapter.keys().add_string("general.type", "adapter");
  expect_refused(adapter, "adapter");
}

// Where there are experts these are read; where there are none nothing can come of them.
TEST_P(UnreadParts, KeysOfRoutingAreReadOrRefused) {
  Variant scaled(GetParam(), "expert_weights_scale");
  const std::string name = scaled.arch() + ".expert_weights_scale";
  scaled.keys().add(name, 1.75f);
  expect_refused_or_used(scaled, name, GetParam());
}

TEST_P(UnreadParts, HarmlessOnesAreListed) {
  Variant variant(GetParam());
  const std::string arch = variant.arch() + ".";
  std::vector<std::string> names = {"blk.0.ffn_down.input_scale", "tokenizer.ggml.mask_token_id"};
  const auto add = [&](const std::string& key, auto value) {
    if (variant.has_key(key)) return;
    variant.keys().add(arch + key, value);
    names.push_back(arch + key);
  };
  add("logit_scale", 1.0f);
  add("attention.causal", true);
  variant.keys().add_string(arch + "tensor_data_layout", "by rows");
  names.push_back(arch + "tensor_data_layout");
  if (!variant.has_key("attention.sliding_window")) {  // more than the context
    variant.keys().add(arch + "attention.sliding_window", uint32_t{1} << 20);
  }
  variant.keys().add("tokenizer.ggml.mask_token_id", uint32_t{4});
  variant.keys().add_string("general.type", "model");
  variant.keys().add_string("something.else", "of no architecture");
  variant.tensor("blk.0.ffn_down.input_scale", {1});
  const auto model = variant.load();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto& ignored = (*model)->ignored();
  for (const std::string& name : names) {
    EXPECT_NE(std::find(ignored.begin(), ignored.end(), name), ignored.end()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, UnreadParts, testing::ValuesIn(golden_folders()));

TEST(UnreadPartsOfRope, AFactorWithoutATypeIsLinear) {
  Variant bare("llama");
  bare.keys().add("llama.rope.scaling.factor", 4.0f);
  const auto model = bare.load();
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ((*model)->config().rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ((*model)->config().rope.factor, 4.0f);
  Variant magnitude("llama");
  magnitude.keys().add("llama.rope.scaling.attn_factor", 1.5f);
  expect_refused(magnitude, "llama.rope.scaling.attn_factor");
}

// tests/data/cases/mlp_bias/generate.py has the same, and computes the logits in double precision.
float bias(size_t i, size_t which) { return static_cast<float>((i * 37 + which * 11) % 19) / 16.0f - 9.0f / 16.0f; }

TEST(MlpBiases, AreUsed) {
  Variant variant("llama");
  for (const int layer : {0, 1}) {
    size_t which = 0;
    for (const char* part : {"gate", "up", "down"}) {
      const auto plain = load(data_path("golden/llama/model.gguf"));
      const auto& c = plain->config();
      std::vector<float> values(static_cast<size_t>(std::string_view(part) == "down" ? c.d_model : c.d_ff));
      for (size_t i = 0; i < values.size(); ++i) values[i] = bias(i, which);
      variant.tensor("blk." + std::to_string(layer) + ".ffn_" + part + ".bias", std::move(values));
      ++which;
    }
  }
  const auto model = variant.load();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto want = read_floats(data_path("cases/mlp_bias/logits.f32"));
  SessionOptions options;
  options.kv_type = KvFormat::kF32;
  const auto got = all_logits(*model, {1, 5, 17, 200, 64, 33}, options);
  ASSERT_EQ(got.size(), want.size());
  float most = 0;
  for (size_t i = 0; i < want.size(); ++i) most = std::max(most, std::fabs(got[i] - want[i]));
  EXPECT_LT(most, 2e-4f);
}

}  // namespace
}  // namespace kedge::engine
