// Llama, Mistral 7B and others that use its layout, Mixtral.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

std::vector<TensorRule> mixtral_rules() {
  return {
      {"model.layers.#.block_sparse_moe.gate.weight", "blk.#.ffn_gate_inp.weight", "ED"},
      {"model.layers.#.block_sparse_moe.experts.@.w1.weight", "blk.#.ffn_gate_exps.weight", "FD"},
      {"model.layers.#.block_sparse_moe.experts.@.w3.weight", "blk.#.ffn_up_exps.weight", "FD"},
      {"model.layers.#.block_sparse_moe.experts.@.w2.weight", "blk.#.ffn_down_exps.weight", "DF"},
  };
}

Status plan(Conversion& c) {
  text_part(c);
  KEDGE_TRY(decoder_keys(c, {.window_limits_context = true}));
  KEDGE_TRY(rope_keys(c, 10000, {"linear", "yarn", "llama3"}));
  c.config.ignore({"attention_bias"});  // the tensors say it
  KEDGE_TRY(c.config.must_be("mlp_bias", false));
  const bool experts = c.config.has("num_local_experts");
  if (experts) KEDGE_TRY(expert_keys(c, "num_local_experts", "num_experts_per_tok", "intermediate_size"));
  c.leave_out("model.layers.*.self_attn.rotary_emb.inv_freq");
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, join({{embedding_rule(),
                                {"model.norm.weight", "output_norm.weight", "D"},
                                output,
                                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                                {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", "D"}},
                               attention_rules(true),
                               experts ? mixtral_rules() : gated_rules()}));
}

}  // namespace

extern constinit const Family llama;
constinit const Family llama = {.model_types = "llama mistral mixtral", .gguf = "llama", .plan = plan};

}  // namespace kedge::tools::convert::families
