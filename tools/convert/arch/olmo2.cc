// OLMo 2: norms behind attention and feed-forward, and over whole queries and keys.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c));
  KEDGE_TRY(rope_keys(c, 500000, {"linear", "yarn"}));
  KEDGE_TRY(c.config.must_be("attention_bias", false));
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(
      c, join({{embedding_rule(),
                {"model.norm.weight", "output_norm.weight", "D"},
                output,
                {"model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", "Q"},
                {"model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", "K"},
                {"model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", "D"},
                {"model.layers.#.post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", "D"}},
               attention_rules(false),
               gated_rules()}));
}

}  // namespace

extern constinit const Family olmo2;
constinit const Family olmo2 = {.model_types = "olmo2", .gguf = "olmo2", .plan = plan};

}  // namespace kedge::tools::convert::families
