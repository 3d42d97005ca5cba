// The groups of tensors nearly every decoder has, under their usual GGUF names, so that an architecture's file shows
// what is its own.
#pragma once

#include <string>

#include "engine/loader.h"
#include "engine/step.h"

namespace kedge::engine {

// token_embd, output (or the embedding again where the file ties them) and output_norm.
struct Ends {
  Weight embedding;                    // [n_vocab][d_model]
  Weight output;                       // [n_vocab][d_model]
  const float* output_norm = nullptr;  // [d_model]
};
Result<Ends> load_ends(ModelLoader& loader);

// attn_norm, attn_q, attn_k, attn_v, attn_output of the layer with this prefix ("blk.<i>.").
struct AttentionWeights {
  const float* norm = nullptr;  // [d_model]
  Weight q;                     // [n_heads * head_dim_k][d_model]
  Weight k;                     // [n_kv_heads * head_dim_k][d_model]
  Weight v;                     // [n_kv_heads * head_dim_v][d_model]
  Weight o;                     // [d_model][n_heads * head_dim_v]
};
Result<AttentionWeights> load_attention(ModelLoader& loader, const std::string& prefix);

// ffn_gate, ffn_up, ffn_down.
struct FeedForward {
  Weight gate;  // [d_ff][d_model]
  Weight up;    // [d_ff][d_model]
  Weight down;  // [d_model][d_ff]
};
Result<FeedForward> load_feed_forward(ModelLoader& loader, const std::string& prefix);

// ffn_gate_inp, ffn_gate_exps, ffn_up_exps, ffn_down_exps. `normalised`: whether the weights of the selected experts
// are made to sum to one where the file does not say it.
Result<ExpertLayer> load_experts(ModelLoader& loader, const std::string& prefix, bool normalised);

// Activations of one forward pass. The feed-forward's share the memory of the attention's, which are dead by then.
struct Activations {
  float* x = nullptr;     // residual stream [n][d_model]
  float* h = nullptr;     // a sublayer's normed input, then its output [n][d_model]
  float* q = nullptr;     // [n][n_heads][head_dim_k]
  float* k = nullptr;     // [n][n_kv_heads][head_dim_k]
  float* v = nullptr;     // [n][n_kv_heads][head_dim_v]
  float* a = nullptr;     // attention output [n][n_heads][head_dim_v]
  float* gate = nullptr;  // [n][d_ff]
  float* up = nullptr;    // [n][d_ff]

  static size_t floats_per_row(const ModelConfig& config);
  static Activations take(Step& step, const ModelConfig& config);
};

}  // namespace kedge::engine
