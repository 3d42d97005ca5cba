// Operations that carry a state from token to token. All are defined one token after the other, with lanes over
// channels or columns that do not know each other: how many tokens a call has, and which columns it is given, changes
// no bit. Every structure is one sequence's n consecutive tokens, at least one; a pointer to rows has the floats from
// row to row beside it (ld). The state before is read from `state`, the one after written to `next_state`, which may be
// the same memory; outputs overlap nothing else. [begin, end): the columns this call does, of all of them.
#pragma once

#include <cstddef>

#include "kernels/base/rooms.h"

namespace kedge::kernels {

// A short causal convolution of every channel:
// y[t][c] = bias[c] + sum of weight[j][c] * x[t - taps + 1 + j][c], j ascending by fma, with SiLU if asked for.
struct ConvRows {
  int n = 0;
  int channels = 0;
  int begin = 0;
  int end = 0;
  int taps = 0;              // at most kMaxConvTaps
  const float* x = nullptr;  // [n][ldx]
  size_t ldx = 0;
  const float* weight = nullptr;  // [taps][channels], the token's own last (files have [channels][taps])
  const float* bias = nullptr;    // [channels] or null
  bool silu = false;
  const float* state = nullptr;  // [taps - 1][channels]: the rows of x before the first, oldest first
  float* next_state = nullptr;
  float* y = nullptr;  // [n][ldy]
  size_t ldy = 0;
};
inline constexpr int kMaxConvTaps = 8;

// The gated delta rule for one value head; S is [d_k][d_v], columns are values:
//   S = exp(log_decay) S;  read = k^T S;  S = S + k (beta (v - read))^T;  out = scale * q^T S
// q and k come normalised, beta through its sigmoid, log_decay <= 0.
struct DeltaRows {
  int n = 0;
  int d_k = 0;
  int d_v = 0;
  int begin = 0;
  int end = 0;
  const float* q = nullptr;  // [n][ldq], d_k of each
  size_t ldq = 0;
  const float* k = nullptr;  // [n][ldk]
  size_t ldk = 0;
  const float* v = nullptr;  // [n][ldv], d_v of each
  size_t ldv = 0;
  const float* log_decay = nullptr;  // one float at [t * ld_decay]
  size_t ld_decay = 0;
  const float* beta = nullptr;  // one float at [t * ld_beta]
  size_t ld_beta = 0;
  float scale = 1.0f;
  const float* state = nullptr;  // [d_k][d_v]
  float* next_state = nullptr;
  float* out = nullptr;  // [n][ld_out], d_v of each
  size_t ld_out = 0;
};

// The Mamba-2 scan of one head; S is [d_state][head_dim]:
//   S = exp(dt * a) S + b (dt x)^T;  y = c^T S + d x
// dt comes through its softplus, a is the negative factor of the file.
struct Mamba2Rows {
  int n = 0;
  int d_state = 0;
  int head_dim = 0;
  int begin = 0;
  int end = 0;
  const float* x = nullptr;  // [n][ldx], head_dim of each
  size_t ldx = 0;
  const float* b = nullptr;  // [n][ldb], d_state of each: the head's group
  size_t ldb = 0;
  const float* c = nullptr;  // [n][ldc]
  size_t ldc = 0;
  const float* dt = nullptr;  // one float at [t * ld_dt]
  size_t ld_dt = 0;
  float a = 0.0f;
  float d = 0.0f;
  const float* state = nullptr;  // [d_state][head_dim]
  float* next_state = nullptr;
  float* y = nullptr;  // [n][ldy], head_dim of each
  size_t ldy = 0;
};

// The Mamba-1 scan: as above, but every channel c is a head of one value, with its own dt and a row a[.][c] of factors:
//   S[i][c] = exp(dt[c] * a[i][c]) S[i][c] + b[i] dt[c] x[c];  y[c] = sum of c[i] S[i][c] + d[c] x[c]
struct Mamba1Rows {
  int n = 0;
  int d_state = 0;
  int channels = 0;
  int begin = 0;
  int end = 0;
  const float* x = nullptr;  // [n][ldx], channels of each
  size_t ldx = 0;
  const float* dt = nullptr;  // [n][ld_dt], through the softplus
  size_t ld_dt = 0;
  const float* b = nullptr;  // [n][ldb], d_state of each
  size_t ldb = 0;
  const float* c = nullptr;  // [n][ldc]
  size_t ldc = 0;
  const float* a = nullptr;      // [d_state][channels] (files have [channels][d_state])
  const float* d = nullptr;      // [channels]
  const float* state = nullptr;  // [d_state][channels]
  float* next_state = nullptr;
  float* y = nullptr;  // [n][ldy]
  size_t ldy = 0;
};

// RWKV-7's time mixing of one head; S is [d][d], rows are keys, columns values:
//   S = diag(w) S + k v^T + b (a^T S)^T;  out = r^T S, with the S before the token in a^T S
// w is the decay itself, in (0, 1); a is minus the normalised key, b that key times its rate.
struct Rwkv7Rows {
  int n = 0;
  int d = 0;
  int begin = 0;
  int end = 0;
  size_t ld = 0;  // of all six inputs, d of each row
  const float* r = nullptr;
  const float* w = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  const float* a = nullptr;
  const float* b = nullptr;
  const float* state = nullptr;  // [d][d]
  float* next_state = nullptr;
  float* out = nullptr;  // [n][ld_out]
  size_t ld_out = 0;
};

}  // namespace kedge::kernels
