// Phi-3, 3.5, 4 and 4-mini: q, k and v in one matrix, gate and up in one, as in GGUF.
#include <cmath>

#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Result<std::vector<float>> factors(Config& p, const char* key, int64_t pairs) {
  KEDGE_ASSIGN(values, p.numbers(key));
  if (values.size() != static_cast<size_t>(pairs)) {
    return Error{ErrorCode::kCorrupt, p.name() + ": " + key + " has " + std::to_string(values.size()) +
                                          " numbers for " + std::to_string(pairs) + " rotated pairs"};
  }
  return std::vector<float>(values.begin(), values.end());
}

// Two sets of divisors, of which a reader takes one by the context it is to hold.
Status long_rope(Conversion& c, Rope& rope, int64_t original) {
  Config& p = rope.parameters;
  const int64_t pairs = c.count_of('R') / 2;
  KEDGE_ASSIGN(near, factors(p, "short_factor", pairs));
  KEDGE_ASSIGN(far, factors(p, "long_factor", pairs));
  c.add_vector("rope_factors_long.weight", std::move(far));
  c.add_vector("rope_factors_short.weight", std::move(near));
  const double scale = static_cast<double>(c.count_of('P')) / static_cast<double>(original);
  const double usual = scale > 1 ? std::sqrt(1 + std::log(scale) / std::log(static_cast<double>(original))) : 1;
  KEDGE_ASSIGN(attention, p.number_or("attention_factor", usual));
  p.ignore({"short_mscale", "long_mscale"});
  c.add_text("rope.scaling.type", "longrope");
  c.add("rope.scaling.attn_factor", static_cast<float>(attention));
  return {};
}

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c));
  KEDGE_ASSIGN(rope, read_rope(c.config, 10000));
  KEDGE_ASSIGN(outer, c.config.number_or("partial_rotary_factor", 1));
  KEDGE_ASSIGN(share, rope.parameters.number_or("partial_rotary_factor", outer));
  if (!(share > 0 && share <= 1)) return c.config.wrong("partial_rotary_factor", "must be above 0 and at most 1");
  c.set_count('R', static_cast<int64_t>(static_cast<double>(c.count_of('H')) * share));
  KEDGE_ASSIGN(trained, c.config.count_or("original_max_position_embeddings", c.count_of('P'), 1));
  KEDGE_ASSIGN(original, rope.parameters.count_or("original_max_position_embeddings", trained, 1));
  KEDGE_ASSIGN(window, c.config.count_or("sliding_window", 0));
  KEDGE_TRY(c.config.must_be("attention_bias", false));
  KEDGE_TRY(c.config.must_be("lm_head_bias", false));
  KEDGE_TRY(c.config.must_be("mlp_bias", false));
  KEDGE_TRY(c.config.must_be("full_attn_mod", 1));
  KEDGE_TRY(c.config.must_be("interpolate_factor", 1));
  c.add("rope.freq_base", static_cast<float>(rope.base));
  c.add("rope.dimension_count", static_cast<uint32_t>(c.count_of('R')));
  c.add("rope.scaling.original_context_length", static_cast<uint32_t>(original));
  c.add("attention.sliding_window", static_cast<uint32_t>(window));
  if (rope.type == "longrope" || rope.type == "su") {
    KEDGE_TRY(long_rope(c, rope, original));
  } else {
    KEDGE_TRY(scaling_keys(c, rope, {}));
  }
  c.set_count('W', c.count_of('Q') + 2 * c.count_of('K'));
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, std::vector<TensorRule>{
                             embedding_rule(),
                             {"model.norm.weight", "output_norm.weight", "D"},
                             output,
                             {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                             {"model.layers.#.self_attn.qkv_proj.weight", "blk.#.attn_qkv.weight", "WD"},
                             {"model.layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight", "DQ"},
                             {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", "D"},
                             {"model.layers.#.mlp.gate_up_proj.weight", "blk.#.ffn_up.weight", "GD"},
                             {"model.layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight", "DF"},
                         });
}

}  // namespace

extern constinit const Family phi3;
constinit const Family phi3 = {.model_types = "phi3", .gguf = "phi3", .plan = plan};

}  // namespace kedge::tools::convert::families
