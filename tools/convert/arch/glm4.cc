// GLM-4 (0414): four norms, gate and up in one matrix; its rotated pairs stand side by side in the folder too.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c, {.epsilon = "rms_norm_eps"}));
  KEDGE_TRY(rope_keys(c, 10000, {"linear"}, 0.5));
  c.config.ignore({"attention_bias"});  // the tensors say it
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(
      c, join({{embedding_rule(),
                {"model.norm.weight", "output_norm.weight", "D"},
                output,
                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                {"model.layers.#.post_self_attn_layernorm.weight", "blk.#.post_attention_norm.weight", "D"},
                {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", "D"},
                {"model.layers.#.post_mlp_layernorm.weight", "blk.#.post_ffw_norm.weight", "D"},
                {"model.layers.#.mlp.gate_up_proj.weight", "blk.#.ffn_up.weight", "GD"},
                {"model.layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight", "DF"}},
               attention_rules(false)}));
}

}  // namespace

extern constinit const Family glm4;
constinit const Family glm4 = {.model_types = "glm4", .gguf = "glm4", .plan = plan};

}  // namespace kedge::tools::convert::families
