// BERT and the embedders that are one: what is behind the last block is left out.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(
      c, {.epsilon = "layer_norm_eps", .layer_norm = true, .activation = "gelu gelu_new gelu_pytorch_tanh"}));
  KEDGE_TRY(encoder_keys(c));
  KEDGE_TRY(c.config.must_be("position_embedding_type", "absolute"));
  c.config.ignore({"classifier_dropout", "pooler_*", "directionality"});
  c.rename("bert.", "");
  for (const char* behind : {"pooler.*", "cls.*", "embeddings.position_ids"}) c.leave_out(behind);
  return plan_tensors(c,
                      std::vector<TensorRule>{
                          embedding_rule("embeddings.word_embeddings.weight"),
                          {"embeddings.position_embeddings.weight", "position_embd.weight", "PD"},
                          {"embeddings.token_type_embeddings.weight", "token_types.weight", "TD"},
                          {"embeddings.LayerNorm.weight", "token_embd_norm.weight", "D"},
                          {"embeddings.LayerNorm.bias", "token_embd_norm.bias", "D"},
                          {"encoder.layer.#.attention.self.query.weight", "blk.#.attn_q.weight", "QD"},
                          {"encoder.layer.#.attention.self.query.bias", "blk.#.attn_q.bias", "Q"},
                          {"encoder.layer.#.attention.self.key.weight", "blk.#.attn_k.weight", "QD"},
                          {"encoder.layer.#.attention.self.key.bias", "blk.#.attn_k.bias", "Q"},
                          {"encoder.layer.#.attention.self.value.weight", "blk.#.attn_v.weight", "QD"},
                          {"encoder.layer.#.attention.self.value.bias", "blk.#.attn_v.bias", "Q"},
                          {"encoder.layer.#.attention.output.dense.weight", "blk.#.attn_output.weight", "DQ"},
                          {"encoder.layer.#.attention.output.dense.bias", "blk.#.attn_output.bias", "D"},
                          {"encoder.layer.#.attention.output.LayerNorm.weight", "blk.#.attn_output_norm.weight", "D"},
                          {"encoder.layer.#.attention.output.LayerNorm.bias", "blk.#.attn_output_norm.bias", "D"},
                          {"encoder.layer.#.intermediate.dense.weight", "blk.#.ffn_up.weight", "FD"},
                          {"encoder.layer.#.intermediate.dense.bias", "blk.#.ffn_up.bias", "F"},
                          {"encoder.layer.#.output.dense.weight", "blk.#.ffn_down.weight", "DF"},
                          {"encoder.layer.#.output.dense.bias", "blk.#.ffn_down.bias", "D"},
                          {"encoder.layer.#.output.LayerNorm.weight", "blk.#.layer_output_norm.weight", "D"},
                          {"encoder.layer.#.output.LayerNorm.bias", "blk.#.layer_output_norm.bias", "D"},
                      });
}

}  // namespace

extern constinit const Family bert;
constinit const Family bert = {.model_types = "bert", .gguf = "bert", .plan = plan};

}  // namespace kedge::tools::convert::families
