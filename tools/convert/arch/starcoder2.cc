// StarCoder2: LayerNorms and biases everywhere, no gate.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c, {.epsilon = "norm_epsilon",
                             .layer_norm = true,
                             .activation = "gelu_pytorch_tanh",
                             .window_limits_context = true}));
  KEDGE_TRY(rope_keys(c, 10000, {"linear"}));
  KEDGE_TRY(c.config.must_be("use_bias", true));
  KEDGE_TRY(c.config.must_be("norm_type", "layer_norm"));
  KEDGE_TRY(c.config.must_be("mlp_type", "default"));
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, join({{embedding_rule(),
                                {"model.norm.weight", "output_norm.weight", "D"},
                                {"model.norm.bias", "output_norm.bias", "D"},
                                output,
                                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                                {"model.layers.#.input_layernorm.bias", "blk.#.attn_norm.bias", "D"},
                                {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", "D"},
                                {"model.layers.#.post_attention_layernorm.bias", "blk.#.ffn_norm.bias", "D"},
                                {"model.layers.#.mlp.c_fc.weight", "blk.#.ffn_up.weight", "FD"},
                                {"model.layers.#.mlp.c_fc.bias", "blk.#.ffn_up.bias", "F"},
                                {"model.layers.#.mlp.c_proj.weight", "blk.#.ffn_down.weight", "DF"},
                                {"model.layers.#.mlp.c_proj.bias", "blk.#.ffn_down.bias", "D"}},
                               attention_rules(false)}));
}

}  // namespace

extern constinit const Family starcoder2;
constinit const Family starcoder2 = {.model_types = "starcoder2", .gguf = "starcoder2", .plan = plan};

}  // namespace kedge::tools::convert::families
