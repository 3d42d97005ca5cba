// Ministral 3: YaRN without its magnitude, queries that grow with the position.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status plan(Conversion& c) {
  text_part(c);
  KEDGE_TRY(decoder_keys(c, {.window_limits_context = true}));
  KEDGE_ASSIGN(rope, read_rope(c.config, 1000000));
  if (rope.type != "yarn") return rope.parameters.wrong("rope_type", "GGUF's mistral3 has yarn");
  Config& p = rope.parameters;
  KEDGE_ASSIGN(growth, p.number_or("llama_4_scaling_beta", 0));
  KEDGE_ASSIGN(up, p.number_or("mscale", 1));
  KEDGE_ASSIGN(down, p.number_or("mscale_all_dim", 0));
  if (up != 1 || (down != 0 && down != 1)) return p.wrong("mscale_all_dim", "mscale 1 over 0 or 1 has a counterpart");
  c.add("rope.freq_base", static_cast<float>(rope.base));
  c.add("rope.dimension_count", static_cast<uint32_t>(c.count_of('H')));
  c.add("rope.scaling.yarn_log_multiplier", static_cast<float>(down));
  c.add("attention.temperature_scale", static_cast<float>(growth));
  c.set_count('R', c.count_of('H'));
  KEDGE_TRY(scaling_keys(c, rope, {"yarn"}));
  c.config.ignore({"attention_bias"});  // the tensors say it
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

extern constinit const Family ministral3;
constinit const Family ministral3 = {.model_types = "ministral3", .gguf = "mistral3", .plan = plan};

}  // namespace kedge::tools::convert::families
