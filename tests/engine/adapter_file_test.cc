// Files that are no adapters of the model, or broken ones, are refused with the name of what is wrong.
#include <fstream>

#include "kernels/base/json.h"
#include "kernels/base/sha256.h"
#include "tests/engine/adapter_files.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;
using namespace testing_adapters;

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class AdapterFile : public testing::Test {
 protected:
  static void SetUpTestSuite() { model_ = load(data_path("golden/qwen3moe/model.gguf")); }
  static void TearDownTestSuite() { model_.reset(); }

  static Draft usual() { return random_draft(*model_, 1); }
  static void expect_refused(const Draft& draft, ErrorCode code, const std::string& named) {
    const std::string path = write(draft, "wrong");
    const auto opened = Adapter::open(*model_, path);
    ASSERT_FALSE(opened.ok()) << named;
    const std::string& message = opened.error().message;
    EXPECT_EQ(code, opened.error().code) << message;
    EXPECT_NE(std::string::npos, message.find(named)) << message;
    EXPECT_EQ(0u, message.find(path)) << message;
  }

  static std::shared_ptr<const Model> model_;
};
std::shared_ptr<const Model> AdapterFile::model_;

constexpr const char* kQ = "blk.0.attn_q.weight";

TEST_F(AdapterFile, IsDescribed) {
  const Draft draft = usual();
  const std::string path = write(draft, "described");
  const auto adapter = open(*model_, path);
  ASSERT_NE(nullptr, adapter);
  const auto json = nlohmann::json::parse(adapter->json());
  EXPECT_EQ("lora", json["kind"]);
  EXPECT_EQ("described", json["name"]);
  EXPECT_EQ(8.0, json["alpha"]);
  EXPECT_EQ(draft.tensors.size() / 2, json["tensors"]);
  EXPECT_EQ(sha256_hex(bytes_of(path)), json["digest"]);
  const auto ranks = json["ranks"].get<std::vector<int>>();
  EXPECT_TRUE(std::is_sorted(ranks.begin(), ranks.end()));
  EXPECT_GT(ranks.size(), 2u);
  EXPECT_GT(json["bytes"], 1000);
}

TEST_F(AdapterFile, OfAnotherKindIsRefused) {
  Draft d = usual();
  d.general_type = "model";
  expect_refused(d, ErrorCode::kUnsupported, "general.type is 'model'");
  d = usual();
  d.arch = "llama";
  expect_refused(d, ErrorCode::kUnsupported, "the adapter is for architecture 'llama', the model is 'qwen3moe'");
  d = usual();
  d.adapter_type = "hypernetwork";
  expect_refused(d, ErrorCode::kUnsupported, "adapter.type is 'hypernetwork'");
  d.adapter_type = "";
  expect_refused(d, ErrorCode::kNotFound, "adapter.type");
  d = usual();
  d.more_keys = {{"adapter.alora.invocation_tokens", "1"}};
  expect_refused(d, ErrorCode::kUnsupported, "adapter.alora.invocation_tokens");
  d = usual();
  d.tensors.clear();
  expect_refused(d, ErrorCode::kCorrupt, "holds no tensors");
}

TEST_F(AdapterFile, WithAWrongAlphaIsRefused) {
  Draft d = usual();
  for (const float alpha : {-1.0f, NAN, INFINITY}) {
    d.alpha = alpha;
    expect_refused(d, ErrorCode::kCorrupt, "adapter.lora.alpha");
  }
}

TEST_F(AdapterFile, EveryTensorIsUsedOrNamed) {
  const auto renamed = [&](const std::string& from, const std::string& to) {
    Draft d = usual();
    d.tensor(from).name = to;
    return d;
  };
  const std::string a = std::string(kQ) + ".lora_a";
  const std::string b = std::string(kQ) + ".lora_b";
  expect_refused(renamed(a, "something"), ErrorCode::kUnsupported, "'something' is neither");
  Draft d = usual();
  std::erase_if(d.tensors, [&](const Values& v) { return v.name == a; });
  expect_refused(d, ErrorCode::kCorrupt, "'" + a + "' is missing");
  d = usual();
  std::erase_if(d.tensors, [&](const Values& v) { return v.name == b; });
  expect_refused(d, ErrorCode::kCorrupt, "'" + b + "' is missing");
  const auto moved = [&](const std::string& to) {
    Draft other = renamed(a, to + ".lora_a");
    other.tensor(b).name = to + ".lora_b";
    return other;
  };
  expect_refused(moved("blk.9.attn_q.weight"), ErrorCode::kUnsupported, "'blk.9.attn_q.weight', which the model does");
  expect_refused(moved("blk.0.attn_norm.weight"), ErrorCode::kUnsupported, "'blk.0.attn_norm.weight', which is no");
}

TEST_F(AdapterFile, MatricesOfSingleHeadsAreRefused) {
  const auto latent = load(data_path("golden/deepseek2-lite/model.gguf"));
  Draft d{.arch = "deepseek2"};
  d.tensors = {{"blk.0.attn_k_b.weight.lora_a", {32, 1, 4}, std::vector<float>(128, 0.1f)},
               {"blk.0.attn_k_b.weight.lora_b", {1, 32, 4}, std::vector<float>(128, 0.1f)}};
  const auto opened = Adapter::open(*latent, write(d, "heads"));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(ErrorCode::kUnsupported, opened.error().code);
  EXPECT_NE(std::string::npos, opened.error().message.find("'blk.0.attn_k_b.weight', which is no matrix"));
}

TEST_F(AdapterFile, ShapesAreTheModels) {
  const auto reshaped = [](const std::string& tensor, std::vector<int64_t> dims) {
    Draft d = usual();
    Values& v = d.tensor(tensor);
    size_t n = 1;
    for (const int64_t dim : dims) n *= static_cast<size_t>(dim);
    v.dims = std::move(dims);
    v.data.assign(n, 0.5f);
    return d;
  };
  const Draft usual_one = usual();
  for (const Values& v : usual_one.tensors) {
    for (size_t i = 0; i < v.dims.size(); ++i) {
      std::vector<int64_t> dims = v.dims;
      dims[i] += 1;
      expect_refused(reshaped(v.name, dims), ErrorCode::kCorrupt, ".lora_");
    }
  }
  const std::string a = std::string(kQ) + ".lora_a";
  expect_refused(reshaped(a, {model_->config().d_model, 4097}), ErrorCode::kUnsupported, "has rank 4097");
}

TEST_F(AdapterFile, ValuesAreNumbers) {
  for (const char* type : {"F32", "F16"}) {
    Draft d = random_draft(*model_, 1, type);
    Values& v = d.tensor("blk.0.ffn_up_exps.weight.lora_b");
    v.data[v.data.size() / 2] = NAN;
    expect_refused(d, ErrorCode::kCorrupt, "'blk.0.ffn_up_exps.weight.lora_b' holds values that are no numbers");
  }
}

TEST_F(AdapterFile, CutOffAnywhereIsRefused) {
  const std::string whole = bytes_of(write(usual(), "whole"));
  const std::string path = scratch_file("cut");
  for (size_t n = 0; n < whole.size(); n += n < 2000 ? 37 : 9973) {
    std::ofstream(path, std::ios::binary).write(whole.data(), static_cast<std::streamsize>(n));
    EXPECT_FALSE(Adapter::open(*model_, path).ok()) << n << " bytes";
  }
  EXPECT_EQ(ErrorCode::kNotFound, Adapter::open(*model_, path + ".none").error().code);
}

TEST_F(AdapterFile, ControlVectorsFitTheModel) {
  const int64_t d = model_->config().d_model;
  const auto draft = [&](const std::string& tensor, int64_t width) {
    return Draft{.general_type = "",
                 .arch = "controlvector",
                 .adapter_type = "",
                 .alpha = 0,
                 .more_keys = {{"controlvector.model_hint", "qwen3"}},
                 .tensors = {{tensor, {width}, std::vector<float>(static_cast<size_t>(width), 0.1f)}}};
  };
  const auto fits = open(*model_, write(draft("direction.1", d), "fits"));
  ASSERT_NE(nullptr, fits);
  EXPECT_EQ(nullptr, fits->direction(0));
  ASSERT_NE(nullptr, fits->direction(1));
  EXPECT_EQ("control_vector", nlohmann::json::parse(fits->json())["kind"]);
  for (const char* name : {"direction.01", "direction.-1", "direction.1x", "direction.", "x"}) {
    expect_refused(draft(name, d), ErrorCode::kUnsupported, std::string("'") + name + "' is no direction.");
  }
  expect_refused(draft("direction.99", d), ErrorCode::kUnsupported, "'direction.99': the model has");
  expect_refused(draft("direction.0", d + 1), ErrorCode::kCorrupt, "direction.0");
  Draft more = draft("direction.0", d);
  more.more_keys["controlvector.normalise"] = "yes";
  expect_refused(more, ErrorCode::kUnsupported, "controlvector.normalise");
  Draft no_number = draft("direction.0", d);
  no_number.tensors[0].data[3] = INFINITY;
  expect_refused(no_number, ErrorCode::kCorrupt, "'direction.0' holds values that are no numbers");
}

}  // namespace
}  // namespace kedge::engine
