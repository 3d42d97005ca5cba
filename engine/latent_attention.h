// Attention over a latent (MLA): the cache holds, for all heads together, a compressed row per token that is key and
// value at once, and beside it the part of the key that is rotated. Computed in the absorbed form only: every query
// goes through its head's key matrix, and the latent that attention gives through its head's value matrix. So a token
// is held once, and there is one definition of every number. Source: DeepSeek-AI 2024 (arXiv 2405.04434).
#pragma once

#include "engine/blocks.h"

namespace kedge::engine {

// The attention.* keys of such a model.
struct LatentShape {
  int rank = 0;        // kv_lora_rank: of the latent
  int query_rank = 0;  // q_lora_rank: of a compressed query; 0: queries are not compressed
  int n_rot = 0;       // rotated values of a key
  int head_dim_k = 0;  // key_length_mla: of a head's query, the rotated values last
  int head_dim_v = 0;  // value_length_mla: of a head's output

  int head_dim_plain() const { return head_dim_k - n_rot; }
  // Reads them, behind common_config(), and gives every layer its shape of cache.
  static Result<LatentShape> read(ModelLoader& l);
};

// attn_q (attn_q_a, attn_q_a_norm, attn_q_b), attn_kv_a_mqa, attn_kv_a_norm, attn_k_b, attn_v_b, attn_output.
struct LatentAttention {
  AttentionSpec spec;
  LatentShape shape;
  const RopeTable* rope = nullptr;
  Weight q_a;  // [query_rank][d_model] or none
  Norm q_a_norm;
  Weight q;     // [n_heads * head_dim_k][query_rank or d_model]
  Weight kv_a;  // [rank + n_rot][d_model]
  Norm kv_a_norm;
  Weight k_b;  // [n_heads][rank][head_dim_plain]
  Weight v_b;  // [n_heads][head_dim_v][rank]
  Weight o;    // [d_model][n_heads * head_dim_v]
  bool is_last = false;

  // scale: of the scores
  Status load(const Block& b, const LatentShape& shape, const RopeTable* rope, float scale);
  void forward(Step& s, const float* h, float* y) const;  // h, y: [n][d_model], may be the same

 private:
  void project(Step& s, const float* h, float* q_rows, float* keys) const;
};

}  // namespace kedge::engine
