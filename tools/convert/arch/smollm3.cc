// SmolLM3: Llama whose every fourth block has no positions.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

// no_rope_layers has a 1 for every block with positions, whatever its name says.
Status check_positions(Conversion& c) {
  KEDGE_TRY(c.config.must_be("no_rope_layer_interval", 4));
  if (!c.config.has("no_rope_layers")) return {};
  KEDGE_ASSIGN(has, c.config.numbers("no_rope_layers"));
  for (size_t i = 0; i < has.size() || i < static_cast<size_t>(c.count_of('L')); ++i) {
    if (i < has.size() && has[i] == ((i + 1) % 4 != 0 ? 1 : 0)) continue;
    return Error{ErrorCode::kUnsupported,
                 c.config.wrong("no_rope_layers", "GGUF's smollm3 leaves out every fourth").message};
  }
  return {};
}

Status plan(Conversion& c) {
  KEDGE_ASSIGN(windows, c.config.flag_or("use_sliding_window", false));
  if (!windows) c.config.ignore({"sliding_window", "max_window_layers", "layer_types"});
  KEDGE_TRY(decoder_keys(c, {.window_limits_context = windows}));
  KEDGE_TRY(rope_keys(c, 2000000, {"linear", "yarn"}));
  KEDGE_TRY(check_positions(c));
  KEDGE_TRY(c.config.must_be("attention_bias", false));
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

extern constinit const Family smollm3;
constinit const Family smollm3 = {.model_types = "smollm3", .gguf = "smollm3", .plan = plan};

}  // namespace kedge::tools::convert::families
