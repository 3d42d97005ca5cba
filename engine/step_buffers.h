// Memory an engine keeps between steps, sized once; what depends on how much sequences hold grows when one is made.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/adapter_buffers.h"
#include "engine/config.h"
#include "kernels/base/aligned.h"
#include "kernels/base/result.h"
#include "kernels/kernel_table.h"

namespace kedge::engine {

// What every step of an engine has in common.
struct StepShape {
  size_t floats_per_row = 0;  // of activations, as the architecture says
  int max_rows = 0;           // of one step
  int n_threads = 1;
  bool fast = false;  // Numerics::kFast
};

// Units of attention that threads take one after the other.
struct AttendUnit {
  int32_t part;
  int32_t kv_head;
  int32_t first_row;   // within the part
  int32_t n_rows;      // times heads at most kMaxAttendRows; of a watched unit all that are watched
  int32_t first_head;  // of the query heads that share the kv-head
  int32_t n_heads;
  bool watched;
};

struct StepBuffers {
  AlignedArray<float> rows;    // bump-allocated by Step::buffer()
  AlignedArray<float> rope;    // [n][n_rot/2][2]
  AlignedArray<int8_t> act_q;  // input of the current product group as codes (or, twice as long, bfloat16)
  AlignedArray<float> act_d;
  AlignedArray<int16_t> act_s16;
  AlignedArray<int16_t> act_s32;
  AlignedArray<float> logits;  // [logit_rows()][n_vocab]
  // By row of the step: whose it is, and where in that sequence's part.
  std::vector<int32_t> part_of;
  std::vector<int32_t> row_in_part;
  std::vector<AlignedBytes> scratch;         // per thread, for the kernels
  std::vector<AlignedBytes> attend_scratch;  // per thread
  std::vector<AttendUnit> attend_units;
  AlignedArray<float> attend_parts;             // [row][n_kv_heads][chunks][group][attend_part_floats()]
  std::vector<AlignedArray<float>> token_mass;  // per thread: [rows][slots]; empty when nothing is counted
  size_t token_mass_stride = 0;
  int attend_part_rows = 0;  // most rows of a step that is spread by chunks; 0: kv-heads occupy the team
  // Mixture of experts (empty for dense models).
  AlignedArray<float> gate_probs;      // [n][n_experts]
  AlignedArray<float> gate_logits;     // [n][n_experts]
  AlignedArray<float> gate_facts;      // [n][2]: margin, entropy
  AlignedArray<float> expert_mid;      // [n * n_used][2 * d_ff_expert]
  AlignedArray<float> expert_out;      // [n * n_used][d_model]
  AlignedArray<float> slot_weight;     // [n * n_used]
  AlignedArray<int32_t> token_slot;    // [n][n_used], experts ascending
  AlignedArray<int32_t> chosen;        // [n][n_used] expert ids, ascending
  AlignedArray<int32_t> expert_start;  // [n_experts + 1]
  AlignedArray<int32_t> expert_order;  // [n_experts], those with tokens, the busiest first
  AdapterBuffers adapters;             // empty until a sequence has some

  // Errors: kCapacity.
  static Result<StepBuffers> make(const ModelConfig& config, const StepShape& shape);
  // For sequences that hold up to `n_slots` tokens; `watch`: a policy may want the attention they get. Never shrinks.
  Status fit(const ModelConfig& config, int n_slots, bool watch);
  // For sequences with these adapters. Never shrinks.
  Status fit(const ModelConfig& config, std::span<const AdapterUse> uses);
  size_t bytes() const;

 private:
  int n_slots_ = 0;
  int n_slots_watched_ = 0;
};

// Logit rows computed at once: few enough that their buffer stays small beside the weights.
int logit_rows(int n_vocab);
inline constexpr int kMostLogitRows = 32;

}  // namespace kedge::engine
