// Qwen3 with experts in every block.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status plan(Conversion& c) {
  KEDGE_ASSIGN(windows, c.config.flag_or("use_sliding_window", false));
  if (!windows) c.config.ignore({"sliding_window", "max_window_layers", "layer_types"});
  KEDGE_TRY(decoder_keys(c, {.window_limits_context = windows}));
  KEDGE_TRY(rope_keys(c, 10000, {"linear", "yarn"}));
  KEDGE_TRY(c.config.must_be("attention_bias", false));
  KEDGE_TRY(expert_keys(c, "num_experts", "num_experts_per_tok", "moe_intermediate_size"));
  KEDGE_TRY(c.config.must_be("norm_topk_prob", true));
  KEDGE_TRY(c.config.must_be("decoder_sparse_step", 1));
  KEDGE_TRY(c.config.must_be("mlp_only_layers", Json::array()));
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, join({{embedding_rule(),
                                {"model.norm.weight", "output_norm.weight", "D"},
                                output,
                                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                                {"model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", "H"},
                                {"model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", "H"},
                                {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", "D"},
                                {"model.layers.#.mlp.gate.weight", "blk.#.ffn_gate_inp.weight", "ED"},
                                {"model.layers.#.mlp.experts.@.gate_proj.weight", "blk.#.ffn_gate_exps.weight", "XD"},
                                {"model.layers.#.mlp.experts.@.up_proj.weight", "blk.#.ffn_up_exps.weight", "XD"},
                                {"model.layers.#.mlp.experts.@.down_proj.weight", "blk.#.ffn_down_exps.weight", "DX"}},
                               attention_rules(false)}));
}

}  // namespace

extern constinit const Family qwen3_moe;
constinit const Family qwen3_moe = {.model_types = "qwen3_moe", .gguf = "qwen3moe", .plan = plan};

}  // namespace kedge::tools::convert::families
