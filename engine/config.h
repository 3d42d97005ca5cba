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

enum class RopeScaling { kNone, kLinear, kYarn };

struct RopeConfig {
  RopeLayout layout = RopeLayout::kHalfSplit;
  RopeScaling scaling = RopeScaling::kNone;
  int n_rot = 0;             // rotated values per head, even
  float base = 10000.0f;     // theta
  float factor = 1.0f;       // linear and YaRN: context extension factor
  float attn_factor = 1.0f;  // YaRN: multiplies the magnitude after the standard correction
  float ext_factor = 1.0f;   // YaRN: share of extrapolation
  float beta_fast = 32.0f;
  float beta_slow = 1.0f;
  int original_context = 0;  // YaRN: trained context
};

struct ModelConfig {
  std::string arch;  // general.architecture
  std::string name;  // general.name, may be empty
  int n_layers = 0;
  int d_model = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim_k = 0;
  int head_dim_v = 0;
  int d_ff = 0;       // dense feed-forward width, 0 when every layer has experts
  int n_experts = 0;  // 0 = dense
  int n_experts_used = 0;
  int n_expert_layers = 0;  // layers that have experts
  int d_ff_expert = 0;
  int n_vocab = 0;
  int n_ctx_train = 0;
  float rms_eps = 1e-5f;
  RopeConfig rope;
};

}  // namespace kedge::engine
