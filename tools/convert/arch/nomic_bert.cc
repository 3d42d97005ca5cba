// Nomic Embed 1 and 1.5: BERT with rotary positions and a gated feed-forward.
#include <utility>

#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status keys(Conversion& c) {
  Config& config = c.config;
  KEDGE_ASSIGN(vocab, config.count("vocab_size"));
  KEDGE_ASSIGN(context, config.count("n_positions"));
  KEDGE_ASSIGN(width, config.count("n_embd"));
  KEDGE_ASSIGN(layers, config.count("n_layer"));
  KEDGE_ASSIGN(heads, config.count("n_head"));
  KEDGE_ASSIGN(ff, config.count("n_inner"));
  KEDGE_ASSIGN(epsilon, config.number_or("layer_norm_epsilon", 1e-12));
  KEDGE_ASSIGN(base, config.number_or("rotary_emb_base", 1000));
  for (const auto& [letter, n] : {std::pair{'V', vocab},
                                  {'P', context},
                                  {'D', width},
                                  {'L', layers},
                                  {'N', heads},
                                  {'F', ff},
                                  {'W', 3 * width}}) {
    c.set_count(letter, n);
  }
  c.add("block_count", static_cast<uint32_t>(layers));
  c.add("context_length", static_cast<uint32_t>(context));
  c.add("embedding_length", static_cast<uint32_t>(width));
  c.add("vocab_size", static_cast<uint32_t>(vocab));
  c.add("feed_forward_length", static_cast<uint32_t>(ff));
  c.add("attention.head_count", static_cast<uint32_t>(heads));
  c.add("attention.layer_norm_epsilon", static_cast<float>(epsilon));
  c.add("rope.freq_base", static_cast<float>(base));
  return encoder_keys(c);
}

// What the class could be otherwise, and GGUF's nomic-bert is not.
Status check_form(Conversion& c) {
  for (const auto& [key, value] : {std::pair<const char*, Json>{"activation_function", "swiglu"},
                                   {"prenorm", false},
                                   {"causal", false},
                                   {"qkv_proj_bias", false},
                                   {"mlp_fc1_bias", false},
                                   {"mlp_fc2_bias", false},
                                   {"use_rms_norm", false},
                                   {"parallel_block", false},
                                   {"rotary_emb_fraction", 1.0},
                                   {"rotary_emb_interleaved", false},
                                   {"rotary_emb_scale_base", nullptr},
                                   {"rotary_scaling_factor", nullptr},
                                   {"scale_attn_weights", true},
                                   {"scale_attn_by_inverse_layer_idx", false},
                                   {"shared_expert", false}}) {
    KEDGE_TRY(c.config.must_be(key, value));
  }
  c.config.ignore({"use_flash_attn", "fused_*", "use_xentropy", "pad_vocab_size_multiple", "reorder_and_upcast_attn",
                   "summary_*", "dense_seq_output", "last_layer_subset", "shared_embedding", "parallel_block_*",
                   "max_trained_positions", "rotary_emb_*", "mlp_checkpoint_lvl", "is_megatron", "*_pdrop"});
  return {};
}

Status plan(Conversion& c) {
  KEDGE_TRY(keys(c));
  KEDGE_TRY(check_form(c));
  c.rename("bert.", "");
  for (const char* behind : {"pooler.*", "cls.*"}) c.leave_out(behind);
  return plan_tensors(c, std::vector<TensorRule>{
                             embedding_rule("embeddings.word_embeddings.weight"),
                             {"embeddings.token_type_embeddings.weight", "token_types.weight", "TD"},
                             {"emb_ln.weight", "token_embd_norm.weight", "D"},
                             {"emb_ln.bias", "token_embd_norm.bias", "D"},
                             {"encoder.layers.#.attn.Wqkv.weight", "blk.#.attn_qkv.weight", "WD"},
                             {"encoder.layers.#.attn.out_proj.weight", "blk.#.attn_output.weight", "DD"},
                             {"encoder.layers.#.norm1.weight", "blk.#.attn_output_norm.weight", "D"},
                             {"encoder.layers.#.norm1.bias", "blk.#.attn_output_norm.bias", "D"},
                             {"encoder.layers.#.mlp.fc11.weight", "blk.#.ffn_up.weight", "FD"},
                             {"encoder.layers.#.mlp.fc12.weight", "blk.#.ffn_gate.weight", "FD"},
                             {"encoder.layers.#.mlp.fc2.weight", "blk.#.ffn_down.weight", "DF"},
                             {"encoder.layers.#.norm2.weight", "blk.#.layer_output_norm.weight", "D"},
                             {"encoder.layers.#.norm2.bias", "blk.#.layer_output_norm.bias", "D"},
                         });
}

}  // namespace

extern constinit const Family nomic_bert;
constinit const Family nomic_bert = {.model_types = "nomic_bert", .gguf = "nomic-bert", .plan = plan};

}  // namespace kedge::tools::convert::families
