// Parts of layers that carry a state from token to token instead of a cache: what each reads from a file and computes.
// A layer's state is its convolution's last rows, then the recurrence's, in floats (kernels/recurrent.h).
// All take h and y, [n][d_model], which may be the same.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/blocks.h"

namespace kedge::engine {

// Where a layer's floats lie in its sequence's state.
struct StateSlice {
  size_t at = 0;
  size_t conv = 0;  // floats of the convolution's rows; behind them the recurrence's
  // Announces that the layer keeps so many.
  static StateSlice announce(const Block& b, size_t conv_floats, size_t recurrence_floats);
};

// A short causal convolution over every channel's last tokens; <name>.weight is [channels][taps].
struct Conv {
  std::vector<float> weight;  // [taps][channels]
  const float* bias = nullptr;
  int channels = 0;
  int taps = 0;
  bool silu = false;

  size_t state_floats() const { return static_cast<size_t>(taps - 1) * static_cast<size_t>(channels); }
  Status load(const Block& b, const std::string& name, int channels, int taps, bool silu);
  // x, y: [n][channels], different.
  void forward(Step& s, const StateSlice& state, const float* x, float* y) const;
};

// The sizes in the ssm.* keys.
struct SsmShape {
  int taps = 0;      // ssm.conv_kernel
  int d_inner = 0;   // ssm.inner_size
  int d_state = 0;   // ssm.state_size
  int dt_rank = 0;   // ssm.time_step_rank: of Mamba-2 and the delta net the number of (value) heads
  int n_groups = 1;  // ssm.group_count
  static Result<SsmShape> read(ModelLoader& l);
};

// The gated delta net of Qwen3-Next and Qwen3.5: convolution over q, k and v, normalised q and k, a state of one matrix
// per value head, a norm gated by z. Source: Yang et al. 2024 (arXiv 2412.06464).
struct DeltaNet {
  SsmShape shape;
  Weight qkv;    // [2 * n_groups * d_state + d_inner][d_model]
  Weight z;      // [d_inner][d_model], the gate
  Weight alpha;  // [n_heads][d_model]
  Weight beta;
  Conv conv;
  const float* dt_bias = nullptr;  // [n_heads]
  const float* a = nullptr;        // [n_heads], negative
  Norm norm;                       // [d_inner / n_heads]
  Weight out;                      // [d_model][d_inner]
  // Value head n reads key head n mod n_groups, or n div (n_heads / n_groups).
  bool heads_interleave = true;
  // One matrix ssm_ba instead of alpha and beta: of every key head, its value heads' betas and then their alphas.
  Weight beta_alpha;
  StateSlice state;

  Status load(const Block& b, bool interleave);
  void forward(Step& s, const float* h, float* y) const;

 private:
  void mix(Step& s, float* conv_out, const float* decay, const float* betas, float* out_rows) const;
};

// Mamba-2. Source: Dao and Gu 2024 (arXiv 2405.21060).
struct Mamba2 {
  SsmShape shape;
  Weight in;  // [2 * d_inner + 2 * n_groups * d_state + n_heads][d_model]: z, x, B, C, dt
  Conv conv;
  const float* dt_bias = nullptr;  // [n_heads]
  const float* a = nullptr;        // [n_heads], negative
  const float* d = nullptr;        // [n_heads]
  const float* norm = nullptr;     // [n_groups][d_inner / n_groups], or none: the gate alone
  Weight out;                      // [d_model][d_inner]
  StateSlice state;

  Status load(const Block& b, bool normed = true);
  int floats() const;  // of buffers forward() takes per row
  void forward(Step& s, const float* h, float* y) const;

 private:
  void gate(Step& s, const float* projected, float* y) const;
};

// Mamba-1 with norms on dt, B and C (Jamba). Source: Gu and Dao 2023 (arXiv 2312.00752).
struct Mamba1 {
  SsmShape shape;
  Weight in;  // [2 * d_inner][d_model]: x, z
  Conv conv;
  Weight x_proj;  // [dt_rank + 2 * d_state][d_inner]: dt, B, C
  Norm dt_norm;   // no weight: none
  Norm b_norm;
  Norm c_norm;
  Weight dt_proj;                  // [d_inner][dt_rank]
  const float* dt_bias = nullptr;  // [d_inner]
  std::vector<float> a;            // [d_state][d_inner], negative
  const float* d = nullptr;        // [d_inner]
  Weight out;                      // [d_model][d_inner]
  StateSlice state;

  Status load(const Block& b, bool normed);
  void forward(Step& s, const float* h, float* y) const;
};

// LFM2's block: y = out(c * conv(b * x)). Source: Liquid AI 2025 (arXiv 2511.23404).
struct ShortConv {
  Weight in;  // [3 * d_model][d_model]: b, c, x
  Conv conv;
  Weight out;  // [d_model][d_model]
  StateSlice state;

  Status load(const Block& b);
  void forward(Step& s, const float* h, float* y) const;
};

}  // namespace kedge::engine
