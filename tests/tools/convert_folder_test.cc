// Folders: types, what is wrong with them, parts of models that are no plain matrices, the command.
#include <gtest/gtest.h>

#include "kedge/kedge.hpp"
#include "tests/tools/hf_tiny.h"

namespace kedge::tools {
namespace {

using base::ErrorCode;
using nlohmann::json;

weights::TensorStore open_store(const std::string& path) {
  auto store = weights::TensorStore::open(path);
  EXPECT_TRUE(store.ok()) << store.error().message;
  return *std::move(store);
}

std::vector<float> values_of(const weights::TensorStore& store, const std::string& name) {
  return FromGguf(store).values(name);
}

TEST(ConvertFolder, AutoKeepsTypesAndVectorsAreF32) {
  TinyFolder folder;
  const std::string plain = scratch("plain.gguf");
  ASSERT_TRUE(folder.convert(plain).ok());
  const weights::TensorStore want = open_store(plain);
  EXPECT_STREQ(want.find("blk.0.attn_q.weight")->type->name, "F32");
  for (const char* type : {"BF16", "F64"}) {
    TinyFolder other;
    other.convert_to(type);
    const std::string out = scratch(std::string(type) + ".gguf");
    const auto report = other.convert(out);
    ASSERT_TRUE(report.ok()) << report.error().message;
    const weights::TensorStore store = open_store(out);
    const bool kept = std::string(type) == "BF16";
    EXPECT_EQ(report->type, kept ? "BF16" : "F32");
    EXPECT_STREQ(store.find("blk.0.ffn_down.weight")->type->name, kept ? "BF16" : "F32");
    EXPECT_STREQ(store.find("blk.0.attn_norm.weight")->type->name, "F32");
    for (const weights::TensorInfo& t : want.tensors()) {
      EXPECT_EQ(values_of(store, std::string(t.name)), values_of(want, std::string(t.name))) << t.name;
    }
  }
  const auto small = folder.convert(scratch("q8.gguf"), {.type = "Q8_0", .overrides = {{"blk.*.ffn_down.*", "Q4_0"}}});
  ASSERT_TRUE(small.ok()) << small.error().message;
  EXPECT_EQ(small->types.at("Q4_0"), 1u);
  EXPECT_FALSE(folder.convert(scratch("q9.gguf"), {.type = "Q9"}).ok());
}

TEST(ConvertFolder, WhatIsWrongHasAName) {
  struct Damage {
    ErrorCode code;
    const char* part;
    std::function<void(TinyFolder&)> change;
  };
  const std::string q = "model.layers.0.self_attn.q_proj.weight";
  const std::vector<Damage> damages = {
      {ErrorCode::kNotFound, "self_attn.q_proj.weight' is missing", [&](TinyFolder& f) { f.tensors.erase(q); }},
      {ErrorCode::kUnsupported, "model.layers.1.mlp.up_proj.weight",
       [](TinyFolder& f) {
         f.tensors["model.layers.1.mlp.up_proj.weight"] = f.random_tensor({32, 8});
       }},
      {ErrorCode::kUnsupported, "model.layers.00.mlp",
       [](TinyFolder& f) {
         f.tensors["model.layers.00.mlp.up_proj.weight"] = f.random_tensor({32, 8});
       }},
      {ErrorCode::kUnsupported, "score.weight",
       [](TinyFolder& f) {
         f.tensors["score.weight"] = f.random_tensor({2, 8});
       }},
      {ErrorCode::kUnsupported, "mlp.up_proj.bias",
       [](TinyFolder& f) { f.tensors["model.layers.0.mlp.up_proj.bias"] = f.random_tensor({32}); }},
      {ErrorCode::kCorrupt, "config.json implies [8, 8]",
       [&](TinyFolder& f) {
         f.tensors[q] = f.random_tensor({4, 8});
       }},
      {ErrorCode::kUnsupported, "has type U8",
       [&](TinyFolder& f) {
         f.tensors[q] = {"U8", {8, 8}, std::string(64, 'x')};
       }},
      {ErrorCode::kInvalidArgument, "row 0: has a value that is not finite",
       [&](TinyFolder& f) { f.tensors[q].bytes.replace(0, 4, "\0\0\x80\x7f", 4); }},
      {ErrorCode::kCorrupt, "takes 256", [&](TinyFolder& f) { f.tensors[q].bytes.pop_back(); }},
      {ErrorCode::kNotFound, "hidden_size is missing", [](TinyFolder& f) { f.config.erase("hidden_size"); }},
      {ErrorCode::kInvalidArgument, "num_hidden_layers is 0", [](TinyFolder& f) { f.config["num_hidden_layers"] = 0; }},
      {ErrorCode::kInvalidArgument, "rms_norm_eps", [](TinyFolder& f) { f.config["rms_norm_eps"] = "small"; }},
      {ErrorCode::kUnsupported, "'new_trick' = 7", [](TinyFolder& f) { f.config["new_trick"] = 7; }},
      {ErrorCode::kUnsupported, "hidden_act is \"relu\"", [](TinyFolder& f) { f.config["hidden_act"] = "relu"; }},
      {ErrorCode::kUnsupported, "model_type 'bloom'", [](TinyFolder& f) { f.config["model_type"] = "bloom"; }},
      {ErrorCode::kUnsupported, "'dynamic'",
       [](TinyFolder& f) {
         f.config["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2}};
       }},
      {ErrorCode::kUnsupported, "'odd'",
       [](TinyFolder& f) {
         f.config["rope_scaling"] = {{"type", "linear"}, {"factor", 2}, {"odd", 1}};
       }},
      {ErrorCode::kUnsupported, "quantised by 'gptq'",
       [](TinyFolder& f) {
         f.config["quantization_config"] = {{"quant_method", "gptq"}};
       }},
      {ErrorCode::kCorrupt, "vocab_size is 7",
       [](TinyFolder& f) {
         f.config["vocab_size"] = 7;
         f.tensors["model.embed_tokens.weight"] = f.random_tensor({7, 8});
       }},
      {ErrorCode::kNotFound, "neither tokenizer.json", [](TinyFolder& f) { f.files.erase("tokenizer.model"); }},
      {ErrorCode::kCorrupt, "part is missing; no whole sentencepiece model",
       [](TinyFolder& f) { f.files["tokenizer.model"].resize(30); }},
      {ErrorCode::kCorrupt, "no sentencepiece model", [](TinyFolder& f) { f.files["tokenizer.model"].resize(35); }},
      {ErrorCode::kInvalidArgument, "tokenizer_config.json",
       [](TinyFolder& f) { f.files["tokenizer_config.json"] = "{"; }},
      {ErrorCode::kUnsupported, "'fix_regex' = true",
       [](TinyFolder& f) { f.files["tokenizer_config.json"] = R"({"fix_regex":true})"; }},
      {ErrorCode::kUnsupported, "generation_config.json",
       [](TinyFolder& f) { f.files["generation_config.json"] = R"({"guess":1})"; }},
      {ErrorCode::kInvalidArgument, "eos_token_id is 8",
       [](TinyFolder& f) { f.files["generation_config.json"] = R"({"eos_token_id":8})"; }},
      {ErrorCode::kCorrupt, "repeats the text 'ab'",
       [](TinyFolder& f) { f.files["added_tokens.json"] = R"({"ab":7})"; }},
      {ErrorCode::kInvalidArgument, "chat_template",
       [](TinyFolder& f) { f.files["tokenizer_config.json"] = R"({"chat_template":7})"; }},
  };
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.part);
    TinyFolder folder;
    damage.change(folder);
    expect_unconvertible(folder, damage.code, damage.part);
  }
  EXPECT_EQ(convert::convert_folder("/nonexistent", scratch("x.gguf"), {}).error().code, ErrorCode::kNotFound);
}

TEST(ConvertFolder, WhatIsLeftOutIsAskedForOrSaid) {
  TinyFolder folder;
  folder.config["new_trick"] = 7;
  EXPECT_TRUE(folder.convert(scratch("ignored.gguf"), {.ignore = {"new_trick"}}).ok());
  folder.config.erase("new_trick");
  folder.config["sliding_window"] = 16;
  folder.tensors["lm_head.weight"] = folder.random_tensor({8, 8});  // a copy of the embedding, it says
  folder.files["added_tokens.json"] = R"({"<far>":9})";
  const auto report = folder.convert(scratch("noted.gguf"));
  ASSERT_TRUE(report.ok()) << report.error().message;
  ASSERT_EQ(report->notes.size(), 2u);
  EXPECT_NE(report->notes[0].find("context 64 -> 16"), std::string::npos) << report->notes[0];
  EXPECT_NE(report->notes[1].find("<far>"), std::string::npos) << report->notes[1];
  EXPECT_EQ(report->ignored, std::vector<std::string>{"lm_head.weight"});
  EXPECT_EQ(*open_store(scratch("noted.gguf")).metadata().get_u32("llama.context_length"), 16u);
}

// A text model within one that sees.
TEST(ConvertFolder, WrappersGiveTheirTextModel) {
  TinyFolder folder;
  HfTensors inner;
  for (const auto& [name, t] : folder.tensors) inner["language_model." + name] = t;
  inner["vision_tower.blocks.0.weight"] = folder.random_tensor({4, 4});
  folder.tensors = inner;
  folder.config = {{"model_type", "llava"}, {"text_config", folder.config}, {"vision_config", {{"depth", 1}}}};
  const auto report = folder.convert(scratch("text.gguf"));
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->model_type, "llama");
  EXPECT_EQ(report->ignored.size(), 1u);
  EXPECT_TRUE(kedge::Model::open(scratch("text.gguf")).ok());
}

// --- gpt-oss
// ----------------------------------------------------------------------------------------------------------

std::string data_path(const std::string& relative) { return std::string(KEDGE_TEST_DATA) + "/" + relative; }

json read_json(const std::string& path) {
  std::ifstream in(path);
  return json::parse(in);
}

// Blocks of a tensor as the folder has them: codes pair by pair, exponents by themselves.
std::pair<std::string, std::string> hf_blocks(const weights::TensorStore& store, const std::string& name) {
  const auto bytes = store.data(*store.find(name));
  std::pair<std::string, std::string> out;
  for (size_t at = 0; at < bytes.size(); at += 17) {
    uint8_t codes[32];
    for (size_t i = 0; i < 16; ++i) {
      codes[i] = std::to_integer<uint8_t>(bytes[at + 1 + i]) % 16;
      codes[i + 16] = std::to_integer<uint8_t>(bytes[at + 1 + i]) / 16;
    }
    for (size_t i = 0; i < 32; i += 2) out.first += static_cast<char>(codes[i] + 16 * codes[i + 1]);
    out.second += std::to_integer<char>(bytes[at]);
  }
  return out;
}

// Pieces of `size` bytes of two texts in turn.
std::string alternate(const std::string& a, const std::string& b, size_t size) {
  std::string out;
  for (size_t at = 0; at < a.size(); at += size) out += a.substr(at, size) + b.substr(at, size);
  return out;
}

void add_experts(const weights::TensorStore& store, int layer, int64_t width, int64_t ff, int64_t n, HfTensors* out) {
  const std::string from = "blk." + std::to_string(layer) + ".ffn_";
  const std::string to = "model.layers." + std::to_string(layer) + ".mlp.experts.";
  const auto gate = hf_blocks(store, from + "gate_exps.weight");
  const auto up = hf_blocks(store, from + "up_exps.weight");
  const auto down = hf_blocks(store, from + "down_exps.weight");
  const auto row = static_cast<size_t>(width / 32);
  (*out)[to + "gate_up_proj_blocks"] = {"U8", {n, 2 * ff, width / 32, 16}, alternate(gate.first, up.first, row * 16)};
  (*out)[to + "gate_up_proj_scales"] = {"U8", {n, 2 * ff, width / 32}, alternate(gate.second, up.second, row)};
  (*out)[to + "down_proj_blocks"] = {"U8", {n, width, ff / 32, 16}, down.first};
  (*out)[to + "down_proj_scales"] = {"U8", {n, width, ff / 32}, down.second};
  const auto bias_of = [&](const char* name) {
    const auto bytes = store.data(*store.find(from + name));
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  (*out)[to + "gate_up_proj_bias"] = {
      "F32", {n, 2 * ff}, alternate(bias_of("gate_exps.bias"), bias_of("up_exps.bias"), 4)};
  (*out)[to + "down_proj_bias"] = {"F32", {n, width}, bias_of("down_exps.bias")};
}

TEST(ConvertFolder, GptOssKeepsItsBlocks) {
  const std::string golden = data_path("golden/gpt-oss-mxfp4/model.gguf");
  const weights::TensorStore want = open_store(golden);
  TinyFolder folder;
  folder.config = read_json(data_path("golden/gpt-oss-mxfp4/golden.json"))["config"];
  folder.config["model_type"] = "gpt_oss";
  folder.config["quantization_config"] = {{"quant_method", "mxfp4"}};
  folder.files["tokenizer.model"] = sentencepiece_bytes(want.metadata());
  folder.tensors.clear();
  const std::string l = "model.layers.#.";
  const std::vector<std::pair<std::string, std::string>> names = {
      {"token_embd.weight", "model.embed_tokens.weight"},
      {"output_norm.weight", "model.norm.weight"},
      {"output.weight", "lm_head.weight"},
      {"blk.#.attn_norm.weight", l + "input_layernorm.weight"},
      {"blk.#.post_attention_norm.weight", l + "post_attention_layernorm.weight"},
      {"blk.#.attn_sinks.weight", l + "self_attn.sinks"},
      {"blk.#.attn_q.weight", l + "self_attn.q_proj.weight"},
      {"blk.#.attn_k.weight", l + "self_attn.k_proj.weight"},
      {"blk.#.attn_v.weight", l + "self_attn.v_proj.weight"},
      {"blk.#.attn_output.weight", l + "self_attn.o_proj.weight"},
      {"blk.#.attn_q.bias", l + "self_attn.q_proj.bias"},
      {"blk.#.attn_k.bias", l + "self_attn.k_proj.bias"},
      {"blk.#.attn_v.bias", l + "self_attn.v_proj.bias"},
      {"blk.#.attn_output.bias", l + "self_attn.o_proj.bias"},
      {"blk.#.ffn_gate_inp.weight", l + "mlp.router.weight"},
      {"blk.#.ffn_gate_inp.bias", l + "mlp.router.bias"}};
  for (const auto& [from, to] : names) FromGguf(want).add({from.c_str(), to.c_str()}, 1, 1, &folder.tensors);
  for (int i = 0; i < 4; ++i) add_experts(want, i, 64, 32, 6, &folder.tensors);
  const std::string out = scratch("gpt-oss.gguf");
  const auto report = folder.convert(out);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->types.at("MXFP4"), 12u);
  const weights::TensorStore made = open_store(out);
  ASSERT_EQ(made.tensors().size(), want.tensors().size());
  for (const weights::TensorInfo& t : want.tensors()) {
    const weights::TensorInfo* m = made.find(t.name);
    ASSERT_NE(m, nullptr) << t.name;
    ASSERT_EQ(m->bytes, t.bytes) << t.name;
    EXPECT_EQ(std::memcmp(made.data(*m).data(), want.data(t).data(), t.bytes), 0) << t.name;
  }
  EXPECT_TRUE(kedge::Model::open(out).ok());
  folder.tensors.erase("model.layers.2.mlp.experts.down_proj_scales");
  expect_unconvertible(folder, ErrorCode::kNotFound, "model.layers.2.mlp.experts.down_proj_scales");
}

// --- encoders
// ---------------------------------------------------------------------------------------------------------

TEST(ConvertFolder, Bert) {
  const std::string golden = data_path("encoders/bert/model.gguf");
  const weights::TensorStore want = open_store(golden);
  TinyFolder folder;
  folder.config = {{"model_type", "bert"},
                   {"vocab_size", 284},
                   {"hidden_size", 40},
                   {"num_hidden_layers", 2},
                   {"num_attention_heads", 4},
                   {"intermediate_size", 128},
                   {"max_position_embeddings", 512},
                   {"layer_norm_eps", 1e-12},
                   {"hidden_act", "gelu"},
                   {"type_vocab_size", 2}};
  folder.files["tokenizer.model"] = sentencepiece_bytes(want.metadata());
  folder.tensors.clear();
  const std::string l = "encoder.layer.#.";
  for (const char* part : {"weight", "bias"}) {
    const std::string dot = std::string(".") + part;
    for (const auto& [from, to] :
         std::vector<std::pair<std::string, std::string>>{{"token_embd_norm", "embeddings.LayerNorm"},
                                                          {"blk.#.attn_q", l + "attention.self.query"},
                                                          {"blk.#.attn_k", l + "attention.self.key"},
                                                          {"blk.#.attn_v", l + "attention.self.value"},
                                                          {"blk.#.attn_output", l + "attention.output.dense"},
                                                          {"blk.#.attn_output_norm", l + "attention.output.LayerNorm"},
                                                          {"blk.#.ffn_up", l + "intermediate.dense"},
                                                          {"blk.#.ffn_down", l + "output.dense"},
                                                          {"blk.#.layer_output_norm", l + "output.LayerNorm"},
                                                          {"token_embd", "embeddings.word_embeddings"},
                                                          {"position_embd", "embeddings.position_embeddings"},
                                                          {"token_types", "embeddings.token_type_embeddings"}}) {
      FromGguf(want).add({(from + dot).c_str(), (to + dot).c_str()}, 1, 1, &folder.tensors);
    }
  }
  folder.tensors["pooler.dense.weight"] = folder.random_tensor({40, 40});
  const std::string path = folder.write();
  std::filesystem::create_directories(path + "/1_Pooling");
  write_bytes(path + "/1_Pooling/config.json", R"({"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false})");
  const std::string out = scratch("bert.gguf");
  const auto report = convert::convert_folder(path, out, {});
  ASSERT_TRUE(report.ok()) << report.error().message;
  const weights::TensorStore made = open_store(out);
  ASSERT_EQ(made.tensors().size(), want.tensors().size());
  for (const weights::TensorInfo& t : want.tensors()) {
    EXPECT_EQ(values_of(made, std::string(t.name)), values_of(want, std::string(t.name))) << t.name;
  }
  EXPECT_EQ(*made.metadata().get_u32("bert.pooling_type"), 2u);
  EXPECT_TRUE(kedge::Model::open(out).ok());
}

// --- the command
// ------------------------------------------------------------------------------------------------------

TEST(ConvertCommand, WritesOnceUnlessForced) {
  const std::string folder = TinyFolder().write();
  const std::string out = scratch("command.gguf");
  std::filesystem::remove(out);
  const Outcome planned = run_command({"convert", folder, "-o", out, "--dry-run", "--json"});
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_EQ(planned.json()["tensors"], 11);
  EXPECT_FALSE(std::filesystem::exists(out));
  const Outcome written = run_command({"convert", folder, "-o", out, "--json"});
  ASSERT_EQ(written.exit_code, 0) << written.err;
  EXPECT_EQ(written.json()["file_bytes"], std::filesystem::file_size(out));
  EXPECT_EQ(written.json()["architecture"], "llama");
  const Outcome again = run_command({"convert", folder, "-o", out});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.err.find("--force"), std::string::npos) << again.err;
  EXPECT_EQ(run_command({"convert", folder, "-o", out, "--force", "--type", "f16"}).exit_code, 0);
  const Outcome wrong = run_command({"convert", folder, "-o", scratch("w.gguf"), "--tensor-type", "x"});
  EXPECT_EQ(wrong.exit_code, 2) << wrong.err;
  EXPECT_EQ(run_command({"convert", "/nonexistent", "-o", scratch("w.gguf")}).exit_code, 1);
}

}  // namespace
}  // namespace kedge::tools
