// Qwen2 and Qwen2.5.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status plan(Conversion& c) {
  KEDGE_ASSIGN(windows, c.config.flag_or("use_sliding_window", false));
  if (!windows) c.config.ignore({"sliding_window", "max_window_layers", "layer_types"});
  KEDGE_TRY(decoder_keys(c, {.window_limits_context = windows}));
  KEDGE_TRY(rope_keys(c, 10000, {"linear", "yarn"}));
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, join({{embedding_rule(),
                                {"model.norm.weight", "output_norm.weight", "D"},
                                output,
                                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                                {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", "D"}},
                               attention_rules(false),
                               gated_rules()}));
}

}  // namespace

extern constinit const Family qwen2;
constinit const Family qwen2 = {.model_types = "qwen2", .gguf = "qwen2", .plan = plan};

}  // namespace kedge::tools::convert::families
