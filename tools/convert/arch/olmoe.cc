// OLMoE: norms over whole queries and keys, experts whose weights are not made to sum to one.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c, {.epsilon = "rms_norm_eps"}));
  KEDGE_TRY(rope_keys(c, 10000, {"linear"}));
  KEDGE_TRY(expert_keys(c, "num_experts", "num_experts_per_tok", "intermediate_size"));
  KEDGE_TRY(c.config.must_be("attention_bias", false));
  KEDGE_TRY(c.config.must_be("norm_topk_prob", false));
  KEDGE_TRY(c.config.must_be("clip_qkv", nullptr));
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, join({{embedding_rule(),
                                {"model.norm.weight", "output_norm.weight", "D"},
                                output,
                                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                                {"model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", "Q"},
                                {"model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", "K"},
                                {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", "D"},
                                {"model.layers.#.mlp.gate.weight", "blk.#.ffn_gate_inp.weight", "ED"},
                                {"model.layers.#.mlp.experts.@.gate_proj.weight", "blk.#.ffn_gate_exps.weight", "XD"},
                                {"model.layers.#.mlp.experts.@.up_proj.weight", "blk.#.ffn_up_exps.weight", "XD"},
                                {"model.layers.#.mlp.experts.@.down_proj.weight", "blk.#.ffn_down_exps.weight", "DX"}},
                               attention_rules(false)}));
}

}  // namespace

extern constinit const Family olmoe;
constinit const Family olmoe = {.model_types = "olmoe", .gguf = "olmoe", .plan = plan};

}  // namespace kedge::tools::convert::families
