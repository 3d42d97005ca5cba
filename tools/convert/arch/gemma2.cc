// Gemma 2. Its norm weights are kept around zero in the folder.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

// GGUF has no key for what queries are scaled by: readers take the head's size, and width / heads for the 27B model.
Status check_query_scale(Conversion& c) {
  constexpr int64_t kLayersOf27B = 46;
  const int64_t readers = c.count_of('L') == kLayersOf27B ? c.count_of('D') / c.count_of('N') : c.count_of('H');
  return c.config.must_be("query_pre_attn_scalar", readers);
}

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c, {.activation = "gelu_pytorch_tanh", .activation_key = "hidden_activation"}));
  c.config.ignore({"hidden_act"});  // hidden_activation is what counts
  KEDGE_TRY(rope_keys(c, 10000, {"linear"}));
  KEDGE_TRY(check_query_scale(c));
  KEDGE_TRY(c.config.must_be("attention_bias", false));
  KEDGE_TRY(c.config.must_be("use_bidirectional_attention", false));
  KEDGE_TRY(check_layer_types(c, every(c.count_of('L'), 2)));
  KEDGE_ASSIGN(window, c.config.count_or("sliding_window", 4096));
  KEDGE_ASSIGN(attention_cap, c.config.number_or("attn_logit_softcapping", 0));
  KEDGE_ASSIGN(logit_cap, c.config.number_or("final_logit_softcapping", 0));
  c.config.ignore({"sliding_window_size"});  // the same as sliding_window, for another framework
  c.add("attention.sliding_window", static_cast<uint32_t>(window));
  c.add("attn_logit_softcapping", static_cast<float>(attention_cap));
  c.add("final_logit_softcapping", static_cast<float>(logit_cap));
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(
      c, join({{embedding_rule(),
                {"model.norm.weight", "output_norm.weight", "D", add_one},
                output,
                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D", add_one},
                {"model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", "D", add_one},
                {"model.layers.#.pre_feedforward_layernorm.weight", "blk.#.ffn_norm.weight", "D", add_one},
                {"model.layers.#.post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", "D", add_one}},
               attention_rules(false),
               gated_rules()}));
}

}  // namespace

extern constinit const Family gemma2;
constinit const Family gemma2 = {.model_types = "gemma2", .gguf = "gemma2", .plan = plan};

}  // namespace kedge::tools::convert::families
