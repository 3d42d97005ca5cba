// ModernBERT: what is behind the last norm is left out. The first block has no norm before its attention.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status rope(Conversion& c) {
  KEDGE_ASSIGN(full, c.config.number_or("global_rope_theta", 160000));
  KEDGE_ASSIGN(windowed, c.config.number_or("local_rope_theta", 10000));
  KEDGE_ASSIGN(new_full, read_rope(c.config, full, "full_attention"));
  KEDGE_ASSIGN(new_windowed, read_rope(c.config, windowed, "sliding_attention"));
  if (new_full.type != "default" || new_windowed.type != "default") {
    return new_full.parameters.wrong("rope_type", "GGUF's modern-bert has no scaling");
  }
  c.add("rope.freq_base", static_cast<float>(new_full.base));
  c.add("rope.freq_base_swa", static_cast<float>(new_windowed.base));
  return {};
}

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c, {.epsilon = "norm_eps",
                             .layer_norm = true,
                             .activation = "gelu gelu_pytorch_tanh",
                             .activation_key = "hidden_activation"}));
  c.config.ignore({"type_vocab_size"});
  KEDGE_TRY(encoder_keys(c));
  KEDGE_TRY(rope(c));
  for (const char* key : {"attention_bias", "mlp_bias", "norm_bias"}) KEDGE_TRY(c.config.must_be(key, false));
  KEDGE_TRY(c.config.must_be("global_attn_every_n_layers", 3));
  std::string kinds(static_cast<size_t>(c.count_of('L')), 'w');
  for (size_t i = 0; i < kinds.size(); i += 3) kinds[i] = 'f';
  KEDGE_TRY(check_layer_types(c, kinds));
  KEDGE_ASSIGN(window, c.config.count("local_attention"));
  c.add("attention.sliding_window", static_cast<uint32_t>(window));
  c.config.ignore({"classifier_*", "decoder_bias", "deterministic_flash_attn", "embedding_dropout", "*_cutoff_factor",
                   "initializer_cutoff_factor", "reference_compile", "repad_logits_with_grad", "sparse_*",
                   "cls_token_id", "tie_word_embeddings"});
  for (const char* behind : {"head.*", "decoder.*", "classifier.*"}) c.leave_out(behind);
  c.set_count('W', 3 * c.count_of('D'));
  c.layer_kinds = "1" + std::string(static_cast<size_t>(c.count_of('L') - 1), 'n');
  return plan_tensors(c, std::vector<TensorRule>{
                             embedding_rule("model.embeddings.tok_embeddings.weight"),
                             {"model.embeddings.norm.weight", "token_embd_norm.weight", "D"},
                             {"model.final_norm.weight", "output_norm.weight", "D"},
                             {"model.layers.#.attn_norm.weight", "blk.#.attn_norm.weight", "D", nullptr, false, 'n'},
                             {"model.layers.#.attn.Wqkv.weight", "blk.#.attn_qkv.weight", "WD"},
                             {"model.layers.#.attn.Wo.weight", "blk.#.attn_output.weight", "DD"},
                             {"model.layers.#.mlp_norm.weight", "blk.#.ffn_norm.weight", "D"},
                             {"model.layers.#.mlp.Wi.weight", "blk.#.ffn_up.weight", "GD"},
                             {"model.layers.#.mlp.Wo.weight", "blk.#.ffn_down.weight", "DF"},
                         });
}

}  // namespace

extern constinit const Family modernbert;
constinit const Family modernbert = {.model_types = "modernbert", .gguf = "modern-bert", .plan = plan};

}  // namespace kedge::tools::convert::families
