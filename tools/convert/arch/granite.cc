// Granite 3 and 4 (dense): Llama with four multipliers.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c));
  KEDGE_TRY(rope_keys(c, 10000, {"linear", "yarn"}));
  KEDGE_TRY(granite_scales(c));
  c.config.ignore({"attention_bias"});  // the tensors say it
  KEDGE_TRY(c.config.must_be("mlp_bias", false));
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, join({{embedding_rule(),
                                {"model.norm.weight", "output_norm.weight", "D"},
                                output,
                                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                                {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", "D"}},
                               attention_rules(true),
                               gated_rules()}));
}

}  // namespace

extern constinit const Family granite;
constinit const Family granite = {.model_types = "granite", .gguf = "granite", .plan = plan};

}  // namespace kedge::tools::convert::families
