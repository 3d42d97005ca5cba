// The parts layers are made of: what each reads from a file, under the usual GGUF names, and what it computes. An
// architecture's file chooses parts and their forms, and shows what is its own.
// A part's load() is told the layer's number and its tensors' prefix; its forward() takes buffers for a while, whose
// widths load() has announced.
#pragma once

#include <string>
#include <vector>

#include "engine/loader.h"
#include "engine/step.h"

namespace kedge::engine {

// A layer as load() sees it.
struct Block {
  ModelLoader& l;
  int index;
  std::string p;  // "blk.<index>."
  const ModelConfig& c() const { return l.config(); }
  LayerShape& shape() const { return l.config().layers[static_cast<size_t>(index)]; }
};

// What all layers of one pass work with.
struct Frame {
  const ModelConfig& c;
  float* x;                 // the residual stream [n][d_model], in and out of every layer
  float* h;                 // a sublayer's normed input, then its output [n][d_model]
  float* shared = nullptr;  // what the model's own part made for all layers (decoder.h), or null
};

// The weight of an RMS norm; weight and, if there is one, bias of a LayerNorm.
Result<Norm> load_norm(ModelLoader& loader, const std::string& name, int width);
Result<Norm> load_layer_norm(ModelLoader& loader, const std::string& name, int width);

// token_embd, output (or the embedding again where the file ties them) and the final norm.
struct Ends {
  Weight embedding;                    // [n_vocab][d_model]
  Weight output;                       // [n_vocab][d_model]
  const float* output_bias = nullptr;  // [n_vocab] or null
  Norm norm;                           // [d_model]
};
// The norm's name is an architecture's own matter; output_norm mostly.
Result<Ends> load_ends(ModelLoader& loader, const char* norm_name = "output_norm.weight", bool layer_norm = false);

// How q and k are normalised.
enum class QkNorm {
  kNone,
  kHeads,       // every head by itself: attn_q_norm and attn_k_norm are [head_dim]
  kWhole,       // all heads of a row together: [n_heads * head_dim], [n_kv_heads * head_dim]
  kHeadsAfter,  // every head by itself, after the rotation
};

struct SelfAttentionForm {
  const RopeTable* rope = nullptr;  // null: no positions
  QkNorm qk_norm = QkNorm::kNone;
  bool fused = false;            // attn_qkv: rows of q, then k, then v
  bool biases = false;           // q, k and v must have them; otherwise they may
  bool gated = false;            // attn_q has, head by head, rows of the query and of a gate for the output
  bool gate_matrix = false;      // attn_gate: such a gate from a matrix of its own
  int source = -1;               // the layer whose keys and values it reads instead of its own; -1: none
  bool value_norm = false;       // every head of v is RMS-normalised, without a weight
  bool may_lack_values = false;  // where there is no attn_v, v is k as projected
  float scale = 0;               // of the scores; 0: 1 / sqrt(head_dim_k)
  float softcap = 0;             // of the scores
  bool sinks = false;            // attn_sinks
  float growth = 0;              // a > 0: queries are multiplied by 1 + a ln(1 + floor(position / growth_context))
  int growth_context = 1;
  bool both_directions = false;  // every row sees all of its text,
  int reach = 0;                 // or so many tokens to either side
  float alibi = 0;               // > 0: scores lose with distance, by heads (attention.max_alibi_bias)
};

// attn_q, attn_k, attn_v, attn_output, of grouped query heads.
struct SelfAttention {
  AttentionSpec spec;
  SelfAttentionForm form;
  Weight q;     // [n_heads * head_dim_k][d_model], gated: twice the rows
  Weight k;     // [n_kv_heads * head_dim_k][d_model]
  Weight v;     // [n_kv_heads * head_dim_v][d_model]
  Weight o;     // [d_model][n_heads * head_dim_v]
  Weight gate;  // [n_heads * head_dim_v][d_model] or none
  const float* bq = nullptr;
  const float* bk = nullptr;
  const float* bv = nullptr;
  const float* bo = nullptr;
  Norm q_norm;
  Norm k_norm;
  std::vector<float> slopes;    // [n_heads], of ALiBi
  bool is_last = false;         // of the model's layers
  bool is_last_source = false;  // of those with keys and values of their own, where others follow

  Status load(const Block& b, const SelfAttentionForm& form);
  // h: [n][d_model] normed, y: [n][d_model], may be the same. The last layer's goes on with the rows that are wanted,
  // and the last one's that others read from.
  void forward(Step& s, const float* h, float* y) const;

 private:
  Status load_projections(const Block& b);
  void project(Step& s, const float* h, float* q, float* k, float* v, float* gates) const;
  void position(Step& s, float* q, float* k) const;
  void open(Step& s, const float* gates, float* a) const;
};

// ffn_gate, ffn_up, ffn_down, or without a gate; biases where the file has them.
struct FeedForward {
  FeedForwardForm form;
  Weight gate;  // [d_ff][d_model], or none
  Weight up;    // [d_ff][d_model]
  Weight down;  // [d_model][d_ff]
  const float* b_gate = nullptr;
  const float* b_up = nullptr;
  const float* b_down = nullptr;

  enum class Gate { kOwn, kFused, kNone };  // kFused: ffn_up has rows of the gate, then of up
  // `suffix` as in "_shexp"; d_ff 0: the model's.
  Status load(const Block& b, FeedForwardForm form = {}, Gate gate = Gate::kOwn, int d_ff = 0,
              const std::string& suffix = "");
  void forward(Step& s, const float* h, float* y) const;  // h, y: [n][d_model], may be the same
};

struct MixtureForm {
  FeedForwardForm experts = {};
  RoutingForm routing = {};      // as far as the file's keys do not say it
  bool gated = true;             // experts have a gate
  bool fused = false;            // ffn_gate_up_exps: of every expert, rows of the gate, then of up
  bool scaled = false;           // ffn_down_exps.scale: what every expert gives is multiplied by
  int shared = 0;                // width of the experts every token has (ffn_*_shexp); 0: none
  bool shared_is_gated = false;  // by the sigmoid of ffn_gate_inp_shexp
};

// ffn_gate_inp, ffn_gate_exps, ffn_up_exps, ffn_down_exps, exp_probs_b; with a feed-forward beside them that every
// token goes through.
struct Mixture {
  ExpertLayer experts;
  FeedForward shared;
  Weight shared_gate;  // [1][d_model] or none
  bool has_shared = false;

  Status load(const Block& b, const MixtureForm& form);
  void forward(Step& s, const float* h, float* y) const;  // h, y: [n][d_model], may be the same
};

}  // namespace kedge::engine
