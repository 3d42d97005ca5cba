// Gemma 3: the text model, alone or within the one that sees. Its norm weights are kept around zero in the folder.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

// Configurations of the models that see leave out what their class has by itself.
constexpr DecoderDefaults kDefaults = {.vocab = 262208, .heads = 8, .kv_heads = 4, .head_dim = 256, .context = 131072};

// As in Gemma 2, GGUF has no key for it.
Status check_query_scale(Conversion& c) {
  constexpr int64_t kLayersOf27B = 62;
  const int64_t readers = c.count_of('L') == kLayersOf27B ? c.count_of('D') / c.count_of('N') : c.count_of('H');
  KEDGE_ASSIGN(scale, c.config.number_or("query_pre_attn_scalar", 256));
  if (scale == static_cast<double>(readers)) return {};
  return Error{ErrorCode::kUnsupported,
               c.config.wrong("query_pre_attn_scalar", "GGUF's gemma3 has " + std::to_string(readers)).message};
}

Status rope(Conversion& c) {
  KEDGE_ASSIGN(full, read_rope(c.config, 1000000, "full_attention"));
  KEDGE_ASSIGN(local, c.config.number_or("rope_local_base_freq", 10000));
  double windowed = local;
  if (c.config.has("rope_parameters")) {
    KEDGE_ASSIGN(own, read_rope(c.config, 10000, "sliding_attention"));
    if (own.type != "default") return own.parameters.wrong("rope_type", "windowed blocks are not scaled in GGUF");
    windowed = own.base;
  }
  c.add("rope.freq_base", static_cast<float>(full.base));
  c.add("rope.freq_base_swa", static_cast<float>(windowed));
  c.set_count('R', c.count_of('H'));
  return scaling_keys(c, full, {"linear"});
}

Status plan(Conversion& c) {
  text_part(c);
  KEDGE_TRY(decoder_keys(
      c, {.activation = "gelu_pytorch_tanh", .activation_key = "hidden_activation", .otherwise = kDefaults}));
  KEDGE_TRY(rope(c));
  KEDGE_TRY(check_query_scale(c));
  KEDGE_TRY(c.config.must_be("attention_bias", false));
  KEDGE_TRY(c.config.must_be("use_bidirectional_attention", false));
  KEDGE_TRY(c.config.must_be("sliding_window_pattern", 6));
  KEDGE_TRY(c.config.must_be("_sliding_window_pattern", 6));
  KEDGE_TRY(check_layer_types(c, every(c.count_of('L'), 6)));
  KEDGE_ASSIGN(window, c.config.count_or("sliding_window", 4096));
  KEDGE_ASSIGN(cap, c.config.number_or("final_logit_softcapping", 0));
  KEDGE_TRY(c.config.must_be("attn_logit_softcapping", nullptr));
  c.config.ignore({"use_cache", "cache_implementation"});
  c.add("attention.sliding_window", static_cast<uint32_t>(window));
  if (cap != 0) c.add("final_logit_softcapping", static_cast<float>(cap));
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(
      c, join({{embedding_rule(),
                {"model.norm.weight", "output_norm.weight", "D", add_one},
                output,
                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D", add_one},
                {"model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", "H", add_one},
                {"model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", "H", add_one},
                {"model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", "D", add_one},
                {"model.layers.#.pre_feedforward_layernorm.weight", "blk.#.ffn_norm.weight", "D", add_one},
                {"model.layers.#.post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", "D", add_one}},
               attention_rules(false),
               gated_rules()}));
}

}  // namespace

extern constinit const Family gemma3;
constinit const Family gemma3 = {.model_types = "gemma3_text gemma3", .gguf = "gemma3", .plan = plan};

}  // namespace kedge::tools::convert::families
