// Folders made by hand from golden models (tests/tools/hf_folder.h) become those models again: the same tensors and the
// same logits, to the bit.
#include <gtest/gtest.h>

#include <cmath>

#include "kedge/kedge.hpp"
#include "tests/tools/hf_folder.h"
#include "tests/tools/run_command.h"
#include "tools/convert/convert.h"

namespace kedge::tools {
namespace {

using nlohmann::json;

struct Case {
  const char* golden;
  const char* model_type;
  std::vector<HfLine> lines;
  json more = json::object();  // of config.json
};

std::vector<HfLine> operator+(std::vector<HfLine> a, const std::vector<HfLine>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const std::vector<HfLine> kEnds = {{"token_embd.weight", "model.embed_tokens.weight"},
                                   {"output_norm.weight", "model.norm.weight"},
                                   {"output.weight", "lm_head.weight"}};
const std::vector<HfLine> kNorms = {{"blk.#.attn_norm.weight", "model.layers.#.input_layernorm.weight"},
                                    {"blk.#.ffn_norm.weight", "model.layers.#.post_attention_layernorm.weight"}};
const std::vector<HfLine> kHeadNorms = {{"blk.#.attn_q_norm.weight", "model.layers.#.self_attn.q_norm.weight"},
                                        {"blk.#.attn_k_norm.weight", "model.layers.#.self_attn.k_norm.weight"}};
const std::vector<HfLine> kGated = {{"blk.#.ffn_gate.weight", "model.layers.#.mlp.gate_proj.weight"},
                                    {"blk.#.ffn_up.weight", "model.layers.#.mlp.up_proj.weight"},
                                    {"blk.#.ffn_down.weight", "model.layers.#.mlp.down_proj.weight"}};
const std::vector<HfLine> kExperts = {
    {"blk.#.ffn_gate_inp.weight", "model.layers.#.mlp.gate.weight"},
    {"blk.#.ffn_gate_exps.weight", "model.layers.#.mlp.experts.@.gate_proj.weight", Hf::kExperts},
    {"blk.#.ffn_up_exps.weight", "model.layers.#.mlp.experts.@.up_proj.weight", Hf::kExperts},
    {"blk.#.ffn_down_exps.weight", "model.layers.#.mlp.experts.@.down_proj.weight", Hf::kExperts}};

std::vector<HfLine> attention(Hf q = Hf::kSame, Hf k = Hf::kSame) {
  return {{"blk.#.attn_q.weight", "model.layers.#.self_attn.q_proj.weight", q},
          {"blk.#.attn_k.weight", "model.layers.#.self_attn.k_proj.weight", k},
          {"blk.#.attn_v.weight", "model.layers.#.self_attn.v_proj.weight"},
          {"blk.#.attn_output.weight", "model.layers.#.self_attn.o_proj.weight"},
          {"blk.#.attn_q.bias", "model.layers.#.self_attn.q_proj.bias", q},
          {"blk.#.attn_k.bias", "model.layers.#.self_attn.k_proj.bias", k},
          {"blk.#.attn_v.bias", "model.layers.#.self_attn.v_proj.bias"},
          {"blk.#.attn_output.bias", "model.layers.#.self_attn.o_proj.bias"}};
}

std::vector<HfLine> paired() { return attention(Hf::kHalvesOfQueries, Hf::kHalvesOfKeys); }

std::vector<HfLine> gemma(bool heads) {
  std::vector<HfLine> lines = {
      {"token_embd.weight", "model.embed_tokens.weight"},
      {"output_norm.weight", "model.norm.weight", Hf::kAroundZero},
      {"blk.#.attn_norm.weight", "model.layers.#.input_layernorm.weight", Hf::kAroundZero},
      {"blk.#.post_attention_norm.weight", "model.layers.#.post_attention_layernorm.weight", Hf::kAroundZero},
      {"blk.#.ffn_norm.weight", "model.layers.#.pre_feedforward_layernorm.weight", Hf::kAroundZero},
      {"blk.#.post_ffw_norm.weight", "model.layers.#.post_feedforward_layernorm.weight", Hf::kAroundZero}};
  if (heads) {
    lines.push_back({"blk.#.attn_q_norm.weight", "model.layers.#.self_attn.q_norm.weight", Hf::kAroundZero});
    lines.push_back({"blk.#.attn_k_norm.weight", "model.layers.#.self_attn.k_norm.weight", Hf::kAroundZero});
  }
  return lines + attention() + kGated;
}

std::vector<HfLine> gpt2() {
  return {{"token_embd.weight", "transformer.wte.weight"},
          {"position_embd.weight", "transformer.wpe.weight"},
          {"output_norm.weight", "transformer.ln_f.weight"},
          {"output_norm.bias", "transformer.ln_f.bias"},
          {"blk.#.attn_norm.weight", "transformer.h.#.ln_1.weight"},
          {"blk.#.attn_norm.bias", "transformer.h.#.ln_1.bias"},
          {"blk.#.attn_qkv.weight", "transformer.h.#.attn.c_attn.weight", Hf::kTransposed},
          {"blk.#.attn_qkv.bias", "transformer.h.#.attn.c_attn.bias"},
          {"blk.#.attn_output.weight", "transformer.h.#.attn.c_proj.weight", Hf::kTransposed},
          {"blk.#.attn_output.bias", "transformer.h.#.attn.c_proj.bias"},
          {"blk.#.ffn_norm.weight", "transformer.h.#.ln_2.weight"},
          {"blk.#.ffn_norm.bias", "transformer.h.#.ln_2.bias"},
          {"blk.#.ffn_up.weight", "transformer.h.#.mlp.c_fc.weight", Hf::kTransposed},
          {"blk.#.ffn_up.bias", "transformer.h.#.mlp.c_fc.bias"},
          {"blk.#.ffn_down.weight", "transformer.h.#.mlp.c_proj.weight", Hf::kTransposed},
          {"blk.#.ffn_down.bias", "transformer.h.#.mlp.c_proj.bias"}};
}

std::vector<HfLine> starcoder2() {
  return kEnds + kNorms + attention() +
         std::vector<HfLine>{{"output_norm.bias", "model.norm.bias"},
                             {"blk.#.attn_norm.bias", "model.layers.#.input_layernorm.bias"},
                             {"blk.#.ffn_norm.bias", "model.layers.#.post_attention_layernorm.bias"},
                             {"blk.#.ffn_up.weight", "model.layers.#.mlp.c_fc.weight"},
                             {"blk.#.ffn_up.bias", "model.layers.#.mlp.c_fc.bias"},
                             {"blk.#.ffn_down.weight", "model.layers.#.mlp.c_proj.weight"},
                             {"blk.#.ffn_down.bias", "model.layers.#.mlp.c_proj.bias"}};
}

std::vector<HfLine> phi3() {
  return kEnds + kNorms +
         std::vector<HfLine>{{"blk.#.attn_qkv.weight", "model.layers.#.self_attn.qkv_proj.weight"},
                             {"blk.#.attn_output.weight", "model.layers.#.self_attn.o_proj.weight"},
                             {"blk.#.ffn_up.weight", "model.layers.#.mlp.gate_up_proj.weight"},
                             {"blk.#.ffn_down.weight", "model.layers.#.mlp.down_proj.weight"}};
}

std::vector<HfLine> olmo2() {
  return kEnds + attention() + kHeadNorms + kGated +
         std::vector<HfLine>{{"blk.#.post_attention_norm.weight", "model.layers.#.post_attention_layernorm.weight"},
                             {"blk.#.post_ffw_norm.weight", "model.layers.#.post_feedforward_layernorm.weight"}};
}

std::vector<HfLine> mixtral() {
  return kEnds + kNorms + paired() +
         std::vector<HfLine>{
             {"blk.#.ffn_gate_inp.weight", "model.layers.#.block_sparse_moe.gate.weight"},
             {"blk.#.ffn_gate_exps.weight", "model.layers.#.block_sparse_moe.experts.@.w1.weight", Hf::kExperts},
             {"blk.#.ffn_down_exps.weight", "model.layers.#.block_sparse_moe.experts.@.w2.weight", Hf::kExperts},
             {"blk.#.ffn_up_exps.weight", "model.layers.#.block_sparse_moe.experts.@.w3.weight", Hf::kExperts}};
}

std::vector<HfLine> glm4() {
  return kEnds + attention() +
         std::vector<HfLine>{{"blk.#.attn_norm.weight", "model.layers.#.input_layernorm.weight"},
                             {"blk.#.post_attention_norm.weight", "model.layers.#.post_self_attn_layernorm.weight"},
                             {"blk.#.ffn_norm.weight", "model.layers.#.post_attention_layernorm.weight"},
                             {"blk.#.post_ffw_norm.weight", "model.layers.#.post_mlp_layernorm.weight"},
                             {"blk.#.ffn_up.weight", "model.layers.#.mlp.gate_up_proj.weight"},
                             {"blk.#.ffn_down.weight", "model.layers.#.mlp.down_proj.weight"}};
}

std::vector<HfLine> lfm2() {
  return {{"token_embd.weight", "model.embed_tokens.weight"},
          {"token_embd_norm.weight", "model.embedding_norm.weight"},
          {"blk.#.attn_norm.weight", "model.layers.#.operator_norm.weight"},
          {"blk.#.ffn_norm.weight", "model.layers.#.ffn_norm.weight"},
          {"blk.#.ffn_gate.weight", "model.layers.#.feed_forward.w1.weight"},
          {"blk.#.ffn_down.weight", "model.layers.#.feed_forward.w2.weight"},
          {"blk.#.ffn_up.weight", "model.layers.#.feed_forward.w3.weight"},
          {"blk.#.shortconv.conv.weight", "model.layers.#.conv.conv.weight", Hf::kConvolution},
          {"blk.#.shortconv.in_proj.weight", "model.layers.#.conv.in_proj.weight"},
          {"blk.#.shortconv.out_proj.weight", "model.layers.#.conv.out_proj.weight"},
          {"blk.#.attn_q.weight", "model.layers.#.self_attn.q_proj.weight"},
          {"blk.#.attn_k.weight", "model.layers.#.self_attn.k_proj.weight"},
          {"blk.#.attn_v.weight", "model.layers.#.self_attn.v_proj.weight"},
          {"blk.#.attn_output.weight", "model.layers.#.self_attn.out_proj.weight"},
          {"blk.#.attn_q_norm.weight", "model.layers.#.self_attn.q_layernorm.weight"},
          {"blk.#.attn_k_norm.weight", "model.layers.#.self_attn.k_layernorm.weight"}};
}

std::vector<HfLine> mamba2() {
  return {{"token_embd.weight", "backbone.embeddings.weight"},
          {"output_norm.weight", "backbone.norm_f.weight"},
          {"blk.#.attn_norm.weight", "backbone.layers.#.norm.weight"},
          {"blk.#.ssm_in.weight", "backbone.layers.#.mixer.in_proj.weight"},
          {"blk.#.ssm_conv1d.weight", "backbone.layers.#.mixer.conv1d.weight", Hf::kConvolution},
          {"blk.#.ssm_conv1d.bias", "backbone.layers.#.mixer.conv1d.bias"},
          {"blk.#.ssm_dt.bias", "backbone.layers.#.mixer.dt_bias"},
          {"blk.#.ssm_a", "backbone.layers.#.mixer.A_log", Hf::kLogOfMinus},
          {"blk.#.ssm_d", "backbone.layers.#.mixer.D", Hf::kVector},
          {"blk.#.ssm_norm.weight", "backbone.layers.#.mixer.norm.weight", Hf::kVector},
          {"blk.#.ssm_out.weight", "backbone.layers.#.mixer.out_proj.weight"}};
}

json decoder(int layers, int width, int heads, int kv_heads, int head_dim, int ff, double base) {
  return {{"vocab_size", 284},
          {"num_hidden_layers", layers},
          {"hidden_size", width},
          {"num_attention_heads", heads},
          {"num_key_value_heads", kv_heads},
          {"head_dim", head_dim},
          {"intermediate_size", ff},
          {"max_position_embeddings", 512},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", base}};
}

json ministral_config() {
  json c = decoder(2, 40, 4, 2, 24, 96, 1e6);
  c.erase("rope_theta");
  c["rope_parameters"] = {{"type", "yarn"},
                          {"rope_theta", 1e6},
                          {"factor", 16.0},
                          {"beta_fast", 32.0},
                          {"beta_slow", 1.0},
                          {"mscale", 1.0},
                          {"mscale_all_dim", 1.0},
                          {"original_max_position_embeddings", 32},
                          {"llama_4_scaling_beta", 0.1}};
  return c;
}

json lfm2_config() {
  json c = decoder(4, 40, 4, 2, 10, 96, 1e6);
  c.erase("rms_norm_eps");
  c.update({{"norm_eps", 1e-5}, {"conv_L_cache", 3}, {"conv_bias", false}, {"full_attn_idxs", {2}}});
  return c;
}

const json kMamba2 = {{"vocab_size", 284},
                      {"num_hidden_layers", 3},
                      {"hidden_size", 40},
                      {"num_heads", 8},
                      {"head_dim", 16},
                      {"state_size", 24},
                      {"n_groups", 1},
                      {"conv_kernel", 4},
                      {"layer_norm_epsilon", 1e-5},
                      {"hidden_act", "silu"},
                      {"expand", 2},
                      {"tie_word_embeddings", true}};

std::vector<Case> cases() {
  const std::vector<HfLine> llama = kEnds + kNorms + paired() + kGated;
  const std::vector<HfLine> qwen = kEnds + kNorms + attention() + kGated;
  const json of_llama = {{"hidden_act", "silu"}, {"attention_bias", false}, {"mlp_bias", false}, {"pretraining_tp", 1}};
  return {{"llama", "llama", llama, of_llama},
          {"llama3-rope", "llama", llama},
          {"mixtral", "mixtral", mixtral()},
          {"qwen2", "qwen2", qwen},
          {"qwen2-yarn", "qwen2", qwen},
          {"qwen3", "qwen3", qwen + kHeadNorms},
          {"qwen3moe", "qwen3_moe", kEnds + kNorms + attention() + kHeadNorms + kExperts},
          {"olmoe", "olmoe", kEnds + kNorms + attention() + kHeadNorms + kExperts},
          {"gemma2", "gemma2", gemma(false)},
          {"gemma3", "gemma3_text", gemma(true)},
          {"phi3", "phi3", phi3(), {{"partial_rotary_factor", 1.0}}},
          {"phi3-longrope", "phi3", phi3()},
          {"granite", "granite", llama},
          {"olmo2", "olmo2", olmo2()},
          {"gpt2", "gpt2", gpt2()},
          {"starcoder2", "starcoder2", starcoder2()},
          {"smollm3", "smollm3", llama},
          {"glm4", "glm4", glm4(), decoder(2, 40, 4, 2, 24, 96, 10000)},
          {"mistral3", "ministral3", llama, ministral_config()},
          {"lfm2", "lfm2", lfm2(), lfm2_config()},
          {"mamba2", "mamba2", mamba2(), kMamba2}};
}

std::string golden_path(const std::string& name) { return std::string(KEDGE_TEST_DATA) + "/golden/" + name; }

json golden_json(const std::string& name) {
  std::ifstream in(golden_path(name) + "/golden.json");
  return json::parse(in);
}

weights::TensorStore open_gguf(const std::string& path) {
  auto store = weights::TensorStore::open(path);
  EXPECT_TRUE(store.ok()) << store.error().message;
  return *std::move(store);
}

// The configuration that the golden values were computed with, where transformers computed them.
json config_of(const Case& c) {
  json config = c.more;
  if (const json golden = golden_json(c.golden); golden.contains("transformers_class")) {
    config = golden["config"];
    config.update(c.more);
  }
  config["model_type"] = c.model_type;
  return config;
}

std::string make_folder(const Case& c, size_t parts = 1) {
  const std::string folder = scratch("hf-" + std::string(c.golden));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const weights::TensorStore store = open_gguf(golden_path(c.golden) + "/model.gguf");
  const json config = config_of(c);
  const int heads = config.value("num_attention_heads", 1);
  HfTensors tensors;
  for (const HfLine& line : c.lines)
    FromGguf(store).add(line, heads, config.value("num_key_value_heads", heads), &tensors);
  write_weights(folder, tensors, parts);
  write_bytes(folder + "/config.json", config.dump());
  write_bytes(folder + "/tokenizer.model", sentencepiece_bytes(store.metadata()));
  write_bytes(folder + "/tokenizer_config.json", json{{"tokenizer_class", "LlamaTokenizer"},
                                                      {"add_bos_token", true},
                                                      {"add_eos_token", false},
                                                      {"bos_token", "<s>"},
                                                      {"eos_token", {{"content", "</s>"}}},
                                                      {"unk_token", "<unk>"},
                                                      {"chat_template", "{{ messages }}"}}
                                                     .dump());
  return folder;
}

// Every logit of both prompts.
std::vector<float> logits(const std::string& path, const json& golden) {
  auto model = kedge::Model::open(path);
  EXPECT_TRUE(model.ok()) << model.error().message;
  std::vector<float> all;
  if (!model.ok()) return all;
  kedge::SessionOptions options;
  options.kv_type = KEDGE_KV_F32;
  options.n_threads = 1;
  for (const char* prompt : {"short", "long"}) {
    auto session = kedge::Session::create(*model, options);
    EXPECT_TRUE(session.ok()) << session.error().message;
    const auto tokens = golden["prompts"][prompt]["tokens"].get<std::vector<int32_t>>();
    const auto done = session->eval_all(tokens, [&](int, std::span<const float> row) {
      all.insert(all.end(), row.begin(), row.end());
      return true;
    });
    EXPECT_TRUE(done.ok()) << done.error().message;
  }
  return all;
}

void expect_same_tensors(const std::string& path, const std::string& golden, bool approximately_a) {
  const weights::TensorStore made = open_gguf(path);
  const weights::TensorStore want = open_gguf(golden);
  EXPECT_EQ(made.tensors().size(), want.tensors().size());
  for (const weights::TensorInfo& t : want.tensors()) {
    const weights::TensorInfo* m = made.find(t.name);
    ASSERT_NE(m, nullptr) << t.name;
    EXPECT_EQ(m->shape(), t.shape()) << t.name;
    ASSERT_EQ(m->bytes, t.bytes) << t.name;
    if (approximately_a && t.name.ends_with("ssm_a")) continue;
    EXPECT_EQ(std::memcmp(made.data(*m).data(), want.data(t).data(), t.bytes), 0) << t.name;
  }
}

// Blocks of `head` bytes behind `fixed` ones, of a row or all rows: from GGUF's order of value heads to the folder's,
// where those of one of `groups` key heads stand together.
std::string regrouped(const std::string& bytes, size_t fixed, size_t head, size_t groups) {
  std::string out = bytes;
  const size_t heads = (bytes.size() - fixed) / head;
  for (size_t g = 0; g < heads; ++g) {
    const size_t h = g % groups * (heads / groups) + g / groups;
    out.replace(fixed + h * head, head, bytes, fixed + g * head, head);
  }
  return out;
}

// Two key heads of 16 and four value heads of 16, width 48.
void regroup_delta_nets(HfTensors* tensors) {
  constexpr size_t kRow = 48 * 4, kHeadRows = 16, kKeys = 64, kTaps = 4 * 4, kInner = 64 * 4;
  for (auto& [name, t] : *tensors) {
    const auto is = [&](const char* end) { return name.ends_with(end); };
    if (is("in_proj_qkv.weight")) t.bytes = regrouped(t.bytes, kKeys * kRow, kHeadRows * kRow, 2);
    if (is("in_proj_z.weight")) t.bytes = regrouped(t.bytes, 0, kHeadRows * kRow, 2);
    if (is("in_proj_a.weight") || is("in_proj_b.weight")) t.bytes = regrouped(t.bytes, 0, kRow, 2);
    if (is("conv1d.weight")) t.bytes = regrouped(t.bytes, kKeys * kTaps, kHeadRows * kTaps, 2);
    if (is("dt_bias") || is("A_log")) t.bytes = regrouped(t.bytes, 0, 4, 2);
    if (!is("linear_attn.out_proj.weight")) continue;
    std::string rows;
    for (size_t at = 0; at < t.bytes.size(); at += kInner) {
      rows += regrouped(t.bytes.substr(at, kInner), 0, kHeadRows * 4, 2);
    }
    t.bytes = rows;
  }
}

std::vector<HfLine> qwen35() {
  return std::vector<HfLine>{
      {"token_embd.weight", "model.language_model.embed_tokens.weight"},
      {"output_norm.weight", "model.language_model.norm.weight", Hf::kAroundZero},
      {"output.weight", "lm_head.weight"},
      {"blk.#.attn_norm.weight", "model.language_model.layers.#.input_layernorm.weight", Hf::kAroundZero},
      {"blk.#.post_attention_norm.weight", "model.language_model.layers.#.post_attention_layernorm.weight",
       Hf::kAroundZero},
      {"blk.#.attn_qkv.weight", "model.language_model.layers.#.linear_attn.in_proj_qkv.weight"},
      {"blk.#.attn_gate.weight", "model.language_model.layers.#.linear_attn.in_proj_z.weight"},
      {"blk.#.ssm_beta.weight", "model.language_model.layers.#.linear_attn.in_proj_b.weight"},
      {"blk.#.ssm_alpha.weight", "model.language_model.layers.#.linear_attn.in_proj_a.weight"},
      {"blk.#.ssm_conv1d.weight", "model.language_model.layers.#.linear_attn.conv1d.weight", Hf::kConvolution},
      {"blk.#.ssm_dt.bias", "model.language_model.layers.#.linear_attn.dt_bias"},
      {"blk.#.ssm_a", "model.language_model.layers.#.linear_attn.A_log", Hf::kLogOfMinus},
      {"blk.#.ssm_norm.weight", "model.language_model.layers.#.linear_attn.norm.weight"},
      {"blk.#.ssm_out.weight", "model.language_model.layers.#.linear_attn.out_proj.weight"},
      {"blk.#.attn_q.weight", "model.language_model.layers.#.self_attn.q_proj.weight"},
      {"blk.#.attn_k.weight", "model.language_model.layers.#.self_attn.k_proj.weight"},
      {"blk.#.attn_v.weight", "model.language_model.layers.#.self_attn.v_proj.weight"},
      {"blk.#.attn_output.weight", "model.language_model.layers.#.self_attn.o_proj.weight"},
      {"blk.#.attn_q_norm.weight", "model.language_model.layers.#.self_attn.q_norm.weight", Hf::kAroundZero},
      {"blk.#.attn_k_norm.weight", "model.language_model.layers.#.self_attn.k_norm.weight", Hf::kAroundZero},
      {"blk.#.ffn_gate.weight", "model.language_model.layers.#.mlp.gate_proj.weight"},
      {"blk.#.ffn_up.weight", "model.language_model.layers.#.mlp.up_proj.weight"},
      {"blk.#.ffn_down.weight", "model.language_model.layers.#.mlp.down_proj.weight"},
      {"blk.4.nextn.eh_proj.weight", "mtp.fc.weight"},
      {"blk.4.nextn.enorm.weight", "mtp.pre_fc_norm_embedding.weight", Hf::kAroundZero},
      {"blk.4.nextn.hnorm.weight", "mtp.pre_fc_norm_hidden.weight", Hf::kAroundZero},
      {"blk.4.nextn.shared_head_norm.weight", "mtp.norm.weight", Hf::kAroundZero}};
}

// Within the model that sees, with the block that predicts further tokens.
TEST(ConvertQwen35, SameLogits) {
  const std::string golden = golden_path("qwen35") + "/model.gguf";
  const weights::TensorStore store = open_gguf(golden);
  HfTensors all;
  for (const HfLine& line : qwen35()) FromGguf(store).add(line, 4, 2, &all);
  HfTensors tensors;
  for (const auto& [name, t] : all) {
    const size_t further = name.find(".layers.4.");
    tensors[further == std::string::npos ? name : "mtp.layers.0." + name.substr(further + 10)] = t;
  }
  regroup_delta_nets(&tensors);
  tensors["model.visual.patch_embed.weight"] = hf_floats({1}, {1.0f});
  json text = decoder(4, 48, 4, 2, 24, 64, 0);
  text.erase("rope_theta");
  text.update({{"model_type", "qwen3_5_text"},
               {"rms_norm_eps", 1e-6},
               {"full_attention_interval", 4},
               {"layer_types", {"linear_attention", "linear_attention", "linear_attention", "full_attention"}},
               {"linear_conv_kernel_dim", 4},
               {"linear_num_key_heads", 2},
               {"linear_num_value_heads", 4},
               {"linear_key_head_dim", 16},
               {"linear_value_head_dim", 16},
               {"attn_output_gate", true},
               {"mtp_num_hidden_layers", 1},
               {"rope_parameters",
                {{"rope_type", "default"},
                 {"rope_theta", 1e6},
                 {"partial_rotary_factor", 16.0 / 24},
                 {"mrope_section", {3, 3, 2}},
                 {"mrope_interleaved", true}}}});
  const std::string folder = scratch("hf-qwen35");
  std::filesystem::create_directories(folder);
  write_weights(folder, tensors, 2);
  write_bytes(folder + "/config.json",
              json{{"model_type", "qwen3_5"}, {"text_config", text}, {"image_token_id", 3}}.dump());
  write_bytes(folder + "/tokenizer.model", sentencepiece_bytes(store.metadata()));
  const std::string out = scratch("qwen35.gguf");
  const auto report = convert::convert_folder(folder, out, {.type = "F32"});
  ASSERT_TRUE(report.ok()) << report.error().message;
  const json description = golden_json("qwen35");
  const std::vector<float> got = logits(out, description);
  const std::vector<float> want = logits(golden, description);
  ASSERT_EQ(got.size(), want.size());
  ASSERT_FALSE(got.empty());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 5e-4) << i;
  const weights::TensorStore made = open_gguf(out);
  for (const weights::TensorInfo& t : store.tensors()) {
    if (!t.name.starts_with("blk.4.")) continue;
    const weights::TensorInfo* m = made.find(t.name);
    ASSERT_NE(m, nullptr) << t.name;
    EXPECT_EQ(m->shape(), t.shape()) << t.name;
  }
}

class ConvertGolden : public testing::TestWithParam<Case> {};

TEST_P(ConvertGolden, SameTensorsAndLogits) {
  const Case& c = GetParam();
  const std::string folder = make_folder(c, std::string(c.golden) == "qwen3" ? 3 : 1);
  const std::string out = scratch(std::string(c.golden) + ".gguf");
  const auto report = convert::convert_folder(folder, out, {.type = "F32", .threads = 2});
  ASSERT_TRUE(report.ok()) << report.error().message;
  const std::string golden = golden_path(c.golden) + "/model.gguf";
  // Logarithms lose a bit on their way into the folder, which is not the converter's doing.
  const bool rounded = std::string(c.golden) == "mamba2";
  expect_same_tensors(out, golden, rounded);
  const json description = golden_json(c.golden);
  const std::vector<float> got = logits(out, description);
  const std::vector<float> want = logits(golden, description);
  ASSERT_EQ(got.size(), want.size());
  ASSERT_FALSE(got.empty());
  for (size_t i = 0; i < got.size(); ++i) {
    if (rounded) {
      ASSERT_NEAR(got[i], want[i], 5e-4) << i;
    } else {
      ASSERT_EQ(got[i], want[i]) << i;
    }
  }
  const auto a = kedge::Model::open(out);
  const auto b = kedge::Model::open(golden);
  ASSERT_TRUE(a.ok() && b.ok());
  for (const char* text : {"Hello there", " 12 caf\u00e9\n\n", "<s>a</s>", ""}) {
    EXPECT_EQ(*a->tokenize(text, true, true), *b->tokenize(text, true, true)) << text;
    EXPECT_EQ(*a->tokenize(text, false, false), *b->tokenize(text, false, false)) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ConvertGolden, testing::ValuesIn(cases()), [](const auto& p) {
  std::string name = p.param.golden;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace kedge::tools
