// Granite 3 with experts: gate and up of all experts in one tensor.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

std::vector<TensorRule> experts() {
  return {
      {"model.layers.#.block_sparse_moe.router.layer.weight", "blk.#.ffn_gate_inp.weight", "ED"},
      {"model.layers.#.block_sparse_moe.input_linear.weight", "blk.#.ffn_gate_exps.weight", "EGD", first_half_rows},
      {"model.layers.#.block_sparse_moe.input_linear.weight", "blk.#.ffn_up_exps.weight", "EGD", second_half_rows},
      {"model.layers.#.block_sparse_moe.output_linear.weight", "blk.#.ffn_down_exps.weight", "EDF"},
  };
}

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c));
  KEDGE_TRY(rope_keys(c, 10000, {"linear", "yarn"}));
  KEDGE_TRY(granite_scales(c));
  KEDGE_TRY(expert_keys(c, "num_local_experts", "num_experts_per_tok", "intermediate_size"));
  c.config.ignore({"attention_bias"});  // the tensors say it
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, join({{embedding_rule(),
                                {"model.norm.weight", "output_norm.weight", "D"},
                                output,
                                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                                {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", "D"}},
                               attention_rules(true),
                               experts()}));
}

}  // namespace

extern constinit const Family granitemoe;
constinit const Family granitemoe = {.model_types = "granitemoe", .gguf = "granitemoe", .plan = plan};

}  // namespace kedge::tools::convert::families
