// The one interface between the engine and arithmetic: a table of functions per instruction set. Every table returns
// the same bits; kernels/reference is the specification, kernels/README.md writes the order of operations down.
// All functions are noexcept, allocate nothing, use one thread, and work on the rows they are given.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activation.h"
#include "kernels/kv_page.h"
#include "kernels/quants.h"
#include "kernels/recurrent.h"

namespace kedge::kernels {

// What the engine adds to k for the pitch of codes, in bytes: one cache line.
inline constexpr int kActPad = 64;

// The form of activations a matmul reads: that of the weight format's family, or bfloat16 (fast numerics of float
// weights).
enum class ActForm { kFloat32, kBlock32, kSuper256, kBfloat16 };

// Rows of activations: [n][k], one after the other. Which members are set follows the form.
struct ActRows {
  int n = 0;      // rows (tokens)
  int k = 0;      // values per row
  int pitch = 0;  // values from row to row of q and b16; 0: k. Powers of two put all rows into few sets of a cache
  const float* x = nullptr;         // kFloat32: [.][k]
  const uint16_t* b16 = nullptr;    // kBfloat16: [.][k]
  const int8_t* q = nullptr;        // kBlock32, kSuper256: [.][k], codes in [-127, 127]
  const float* d = nullptr;         // kBlock32: [.][k/32]; kSuper256: [.][k/256]
  const int16_t* sums16 = nullptr;  // kSuper256: sum of codes per 16, [.][k/16]
  const int16_t* sums32 = nullptr;  // both: sum of codes per 32, [.][k/32]

  size_t row_pitch() const { return static_cast<size_t>(pitch == 0 ? k : pitch); }
};

// Consecutive rows of a weight matrix: in the packed layout (kernels/packed.h) where the table has a `pack` for the
// format, `data` being the start of a group; otherwise in the file's.
struct WeightRows {
  const std::byte* data = nullptr;
  size_t stride = 0;  // bytes from row to row, packed: from group to group
  int n_rows = 0;
};

// Rows of a packed group.
inline constexpr int kGroupRows = 16;
// Packs up to 16 rows (n_rows of them, row_bytes apart, k values each) into one group of packed_group_bytes().
using PackFn = void (*)(const std::byte* rows, size_t row_bytes, int n_rows, int k, std::byte* out) noexcept;

// y[i * ldy + r] = dot(weight row r, activation row i). `scratch` holds matmul_scratch_bytes() bytes, 64-byte aligned.
using MatmulFn = void (*)(const WeightRows& w, const ActRows& x, float* y, size_t ldy, std::byte* scratch) noexcept;

// Attention of query rows that share one kv-head, over that head's pages. A row sees the slots [begin, end).
// Slots are cut into chunks of kChunkTokens by their absolute number, never by rows or threads: each chunk is an online
// softmax of its own, and the chunks of a row are merged in ascending order (kernels/reference/attention.cc defines
// how).
inline constexpr int kMaxAttendRows = 64;  // enough that widening a page to float32 once per call costs little
inline constexpr int kMaxHeadDim = 576;    // a latent of 512 and 64 rotary dimensions
inline constexpr int kChunkTokens = 512;
inline constexpr int kChunkPages = kChunkTokens / kPageTokens;
// Scratch of one attention call, in bytes; an upper bound over shapes and instruction sets.
inline constexpr size_t kAttendScratchBytes = size_t{512} << 10;

struct AttendRows {
  int n = 0;                                // rows, at most kMaxAttendRows
  const float* q[kMaxAttendRows];           // head_dim_k floats each, rotary positions applied
  float* out[kMaxAttendRows];               // head_dim_v floats each
  int begin[kMaxAttendRows];                // first visible slot
  int end[kMaxAttendRows];                  // one past the last visible slot, > begin
  const std::byte* const* pages = nullptr;  // page p holds slots [32p, 32p + 32); pages no row sees are not touched
  KvLayout layout;
  float scale = 1.0f;    // multiplies the scores
  float softcap = 0.0f;  // 0 = none; otherwise softcap * tanh(score / softcap)
  // With has_sinks row i's softmax has one more logit, sink[i] as it is (neither scaled nor capped), that belongs to no
  // token: it takes its share and adds nothing to out. It is merged after the last chunk.
  bool has_sinks = false;
  float sink[kMaxAttendRows];
  // With has_slopes (ALiBi) slope[i] * -|slot - at[i]| is added to the scaled score, before the cap. For tables whose
  // slots are positions; at[i] is the row's own.
  bool has_slopes = false;
  float slope[kMaxAttendRows];
  int at[kMaxAttendRows];
  std::byte* scratch = nullptr;  // kAttendScratchBytes, 64-byte aligned, one per thread
  // Optional: the share of row i's softmax that went to slot s, at token_mass[i * token_mass_stride + s], for all 32
  // slots of every page the row sees: slots of those pages outside [begin, end) become 0, other pages' entries are left
  // alone. A row's shares sum to 1, with a sink to 1 less its share.
  float* token_mass = nullptr;
  size_t token_mass_stride = 0;
};

// One row's state over one chunk: [0] the largest score, [1] the sum of exp(score - largest), from [16] on the values
// weighted by exp(score - largest), head_dim_v of them. In floats; whole cache lines, so that threads do not share any.
constexpr size_t attend_part_floats(int head_dim_v) { return 16 + (static_cast<size_t>(head_dim_v) + 15) / 16 * 16; }

struct KernelTable {
  const char* name = nullptr;  // "reference", "avx2", "avx512vnni", ...

  // Rows of n floats. y may be the same row as any input. `weight` and `bias` may be null: none.
  void (*rms_norm)(const float* x, const float* weight, float* y, int n, float eps) noexcept = nullptr;
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float* y, int n,
                     float eps) noexcept = nullptr;
  void (*l2_norm)(const float* x, float* y, int n, float eps) noexcept = nullptr;      // y = x / max(|x|, eps)
  void (*add)(const float* x, float* y, int n) noexcept = nullptr;                     // y += x
  void (*add_scaled)(const float* x, float s, float* y, int n) noexcept = nullptr;     // y = fma(s, x, y)
  void (*mul)(const float* x, float* y, int n) noexcept = nullptr;                     // y *= x
  void (*scale)(float s, float* y, int n) noexcept = nullptr;                          // y *= s
  void (*softcap)(float cap, float* y, int n) noexcept = nullptr;                      // y = cap * tanh(y / cap)
  void (*activate)(Activation f, const float* x, float* y, int n) noexcept = nullptr;  // y = f(x)
  // y = f(gate) * up
  void (*activate_mul)(Activation f, const float* gate, const float* up, float* y, int n) noexcept = nullptr;
  void (*silu_mul)(const float* gate, const float* up, float* y, int n) noexcept = nullptr;
  // y = g * sigmoid(alpha * g) * (u + 1) with g = min(gate, limit) and u = up limited to [-limit, limit].
  void (*swiglu_clipped)(const float* gate, const float* up, float* y, int n, float alpha,
                         float limit) noexcept = nullptr;
  void (*softmax)(float* x, int n) noexcept = nullptr;
  // Rotates the first 2*n_pairs values of one head; cos_sin is [n_pairs][2].
  void (*rope_half)(float* x, const float* cos_sin, int n_pairs) noexcept = nullptr;
  void (*rope_interleaved)(float* x, const float* cos_sin, int n_pairs) noexcept = nullptr;

  // One row of k floats to int8 codes. sums as in ActRows.
  void (*quantise_block32)(const float* x, int k, int8_t* q, float* d, int16_t* sums32) noexcept = nullptr;
  void (*quantise_super256)(const float* x, int k, int8_t* q, float* d, int16_t* sums16,
                            int16_t* sums32) noexcept = nullptr;

  // What carries a state from token to token: kernels/recurrent.h.
  void (*conv1d)(const ConvRows& rows) noexcept = nullptr;
  void (*delta_net)(const DeltaRows& rows) noexcept = nullptr;
  void (*mamba2_scan)(const Mamba2Rows& rows) noexcept = nullptr;
  void (*mamba1_scan)(const Mamba1Rows& rows) noexcept = nullptr;
  void (*rwkv7_mix)(const Rwkv7Rows& rows) noexcept = nullptr;

  // n floats to bfloat16, half to even, subnormals as 0; within every 32 in the order its products read.
  void (*to_bf16)(const float* x, uint16_t* y, int n) noexcept = nullptr;

  // By QuantFormat::index. pack is null where matmul reads the file's layout.
  MatmulFn matmul[kMaxQuantFormats] = {};
  PackFn pack[kMaxQuantFormats] = {};
  bool packs() const {
    for (const PackFn f : pack) {
      if (f != nullptr) return true;
    }
    return false;
  }
  // The same with the arithmetic of kernels/fast_numerics.h, for k a multiple of 256: quantised formats read
  // activations of kSuper256, float formats floats. All null where the instruction set gains nothing by it.
  MatmulFn fast[kMaxQuantFormats] = {};

  // Writes the key (rotary applied) and value of one token into `slot` (0..31) of a page; v is not read where the
  // layout takes values from the key.
  void (*kv_store)(const KvLayout& layout, std::byte* page, int slot, const float* k,
                   const float* v) noexcept = nullptr;
  // All of it: out[i] of every row.
  void (*attend)(const AttendRows& rows) noexcept = nullptr;
  // The same in two steps, for engines that spread one long context over threads. attend_chunk() handles the slots of
  // one chunk: row i's state goes to parts[i * attend_part_floats()] (left alone if the row sees none of the chunk),
  // and the masses of the chunk's pages are prepared. attend_merge() then makes out and the masses of all chunks'
  // parts, [chunk - first_chunk][rows.n][attend_part_floats()]; chunks no row sees need no parts, only their place.
  void (*attend_chunk)(const AttendRows& rows, int chunk, float* parts) noexcept = nullptr;
  void (*attend_merge)(const AttendRows& rows, const float* parts, int first_chunk) noexcept = nullptr;
};

// Scratch a matmul over rows of k values may use, in bytes; an upper bound over formats and instruction sets.
size_t matmul_scratch_bytes(int k);

}  // namespace kedge::kernels
