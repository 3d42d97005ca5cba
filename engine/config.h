// What a model's metadata says about its shape, in the field's terms. Filled by the architecture's file from GGUF keys
// and checked against the tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::engine {

// How rotary positions pair the values of a head.
enum class RopeLayout {
  kInterleaved,  // (0,1), (2,3), ... as GGUF stores llama
  kHalfSplit,    // (i, i + n_rot/2), "NEOX"
};

enum class RopeScaling { kNone, kLinear, kYarn, kLong };

// How one kind of rotary positions is made; a model may have two (of windowed and of full layers).
struct RopeConfig {
  RopeLayout layout = RopeLayout::kHalfSplit;
  RopeScaling scaling = RopeScaling::kNone;
  int n_rot = 0;             // rotated values per head, even
  float base = 10000.0f;     // theta
  float factor = 1.0f;       // linear and YaRN: context extension factor
  float attn_factor = 1.0f;  // YaRN: multiplies the magnitude after the standard correction; kLong: the magnitude
  float ext_factor = 1.0f;   // YaRN: share of extrapolation
  float beta_fast = 32.0f;
  float beta_slow = 1.0f;
  int original_context = 0;    // YaRN, kLong: trained context
  bool yarn_magnitude = true;  // YaRN's standard correction: 0.1 ln(factor) + 1
};

// What a layer keeps of the tokens that went by.
struct LayerShape {
  int n_kv_heads = 0;  // of a cache of its own; 0: it is recurrent, or reads another layer's
  int head_dim_k = 0;
  int head_dim_v = 0;
  int window = 0;               // a row sees so many tokens, itself included; 0: all
  bool values_in_keys = false;  // the values are the first head_dim_v numbers of the keys and are not held twice
  int64_t state_floats = 0;     // of recurrent state

  // What a sequence's state has for it: whole cache lines.
  size_t rounded_state_floats() const { return (static_cast<size_t>(state_floats) + 15) / 16 * 16; }
};

struct ModelConfig {
  std::string arch;  // general.architecture
  std::string name;  // general.name, may be empty
  int n_layers = 0;
  int d_model = 0;
  int n_heads = 0;  // these of the layers with attention, the largest where they differ; 0: there are none
  int n_kv_heads = 0;
  int head_dim_k = 0;
  int head_dim_v = 0;
  std::vector<LayerShape> layers;  // [n_layers]
  int d_ff = 0;                    // dense feed-forward width, 0 when every layer has experts
  int n_experts = 0;               // 0 = dense
  int n_experts_used = 0;
  int n_expert_layers = 0;  // layers that have experts
  int d_ff_expert = 0;
  bool both_directions = false;  // an encoder: the tokens of a text see each other, so it is one step
  int n_vocab = 0;
  int n_ctx_train = 0;
  float norm_eps = 1e-5f;
  RopeConfig rope;
  // Of some architectures only (engine/arch_keys.h).
  float embedding_scale = 1;    // multiplies what is looked up
  float residual_scale = 1;     // multiplies what a block adds to the residual stream
  float attention_scale = 0;    // multiplies scores; 0: 1 / sqrt(head_dim_k)
  float attention_softcap = 0;  // c: scores become c * tanh(score / c); 0: they stay
  float query_growth = 0;       // SelfAttentionForm::growth
  int d_ff_shared = 0;          // width of the experts every token has
  int n_dense_layers = 0;       // first layers without experts
  int expert_layer_step = 1;    // behind them every so many layers have experts
  float logit_scale = 1;        // multiplies the logits
  float logit_softcap = 0;      // c: they become c * tanh(logits / c); 0: they stay
  // For the buffers of a step.
  int widest_input = 0;         // values of the widest row a matrix is multiplied by, those of experts apart
  int widest_attention = 0;     // n_heads * head_dim_v, of the layer where it is largest
  int most_queries_per_kv = 1;  // query heads that share a kv-head
  int long_context_beyond = 0;  // n > 0: sequences of more than n tokens of context use RopeTable::far
  int most_positions = 0;       // n > 0: positions are learned, and there are so many
  int rope_floats = 0;          // cosines and sines of a position, of all tables

  bool is_far(int n_ctx) const { return long_context_beyond > 0 && n_ctx > long_context_beyond; }
  // Of a sequence, layer after layer.
  size_t state_floats() const {
    size_t sum = 0;
    for (const LayerShape& l : layers) sum += l.rounded_state_floats();
    return sum;
  }
};

}  // namespace kedge::engine
