// One forward pass over n rows (tokens): the operations an architecture's forward() is written in. Every operation
// spreads its rows over the thread team and calls one kernel; how it is spread never changes a bit.
// Activations are row-major [n][width] in the session's buffers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <vector>

#include "engine/act_form.h"
#include "engine/config.h"
#include "engine/expert_stats.h"
#include "engine/loader.h"
#include "engine/rope.h"
#include "kernels/base/aligned.h"
#include "kernels/base/parallel.h"
#include "kernels/kernel_table.h"
#include "memory/kv_memory.h"

namespace kedge::engine {

// One product of a group that shares its input: y[n][w.rows] = x * w^T (+ bias).
struct Product {
  const Weight& w;
  float* y;
  const float* bias = nullptr;
};

// How a mixture-of-experts layer picks and weighs its experts.
struct ExpertLayer {
  Weight router;  // [n_experts][d_model]
  Weight gate;    // [n_experts][d_ff_expert][d_model]
  Weight up;
  Weight down;  // [n_experts][d_model][d_ff_expert]
  int n_used = 0;
  bool normalise = true;  // selected weights are divided by their sum
  int index = 0;          // among the model's expert layers
};

// Memory a session keeps between steps, sized once.
struct StepBuffers {
  AlignedArray<float> rows;    // bump-allocated by Step::buffer()
  AlignedArray<float> rope;    // [n][n_rot/2][2]
  AlignedArray<int8_t> act_q;  // input of the current product group as codes (or, twice as long, bfloat16)
  AlignedArray<float> act_d;
  AlignedArray<int16_t> act_s16;
  AlignedArray<int16_t> act_s32;
  AlignedArray<float> logits;                   // [logit_rows()][n_vocab]
  std::vector<AlignedBytes> scratch;            // per thread, for the kernels
  std::vector<AlignedBytes> attend_scratch;     // per thread
  AlignedArray<float> attend_parts;             // [n_kv_heads][chunks][attend_part_rows * group][attend_part_floats()]
  std::vector<AlignedArray<float>> token_mass;  // per thread: [kMaxAttendRows][slots]; empty when nothing is counted
  size_t token_mass_stride = 0;
  int attend_part_rows = 0;  // most rows of a step that is spread by chunks; 0: kv-heads occupy the team
  // Mixture of experts (empty for dense models).
  AlignedArray<float> gate_probs;   // [n][n_experts]
  AlignedArray<float> gate_logits;  // [n][n_experts]
  AlignedArray<float> gate_facts;   // [n][2]: margin, entropy
  ExpertStats expert_stats;
  AlignedArray<float> expert_mid;      // [n * n_used][2 * d_ff_expert]
  AlignedArray<float> expert_out;      // [n * n_used][d_model]
  AlignedArray<float> slot_weight;     // [n * n_used]
  AlignedArray<int32_t> token_slot;    // [n][n_used], experts ascending
  AlignedArray<int32_t> chosen;        // [n][n_used] expert ids, ascending
  AlignedArray<int32_t> expert_start;  // [n_experts + 1]
  AlignedArray<int32_t> expert_order;  // [n_experts], those with tokens, the busiest first

  // `n_slots`: tokens the cache holds; `watch`: a policy may want the attention they get.
  static Result<StepBuffers> make(const ModelConfig& config, size_t floats_per_row, int max_rows, int n_slots,
                                  bool watch, int n_threads, bool fast);
  size_t bytes() const;
};

// Logit rows computed at once: few enough that their buffer stays small beside the weights.
int logit_rows(int n_vocab);

// Receives the logits of one row of the step; a Status that is not ok stops the step.
using LogitSink = std::function<Status(int row, std::span<const float> logits)>;

class Step {
 public:
  // `fast`: kernels/fast_numerics.h where the table has it.
  Step(const ModelConfig& config, const KernelTable& kernels, bool fast, const ThreadTeam& team, StepBuffers& buffers,
       KvMemory& memory, std::span<const int32_t> tokens, int first_logit_row, const LogitSink& sink,
       const std::atomic<bool>* cancel);

  int rows() const { return n_; }
  Status& status() { return status_; }
  // True when the pass should end: cancelled or failed.
  bool stopped();

  // A [n][width] buffer for the rest of the pass.
  float* buffer(int width);
  // Gives back the buffers taken since mark(): a layer's second half reuses the memory of its first.
  size_t mark() const { return used_; }
  void rewind(size_t mark) { used_ = mark; }

  void embed(const Weight& table, float* x);                                  // x: [n][d_model]
  void norm(const float* x, const float* weight, float* y, int width);        // RMS norm per row
  void norm_heads(float* x, const float* weight, int n_heads, int head_dim);  // RMS norm per head, in place
  void multiply(const float* x, int width, std::initializer_list<Product> products);
  void rope(float* x, int n_heads, int head_dim, const RopeTable& table);
  void attend(int layer, const float* q, const float* k, const float* v, float* out);  // appends k, v; causal
  void add(const float* x, float* y, int width);                                       // y += x
  void silu_mul(const float* gate, const float* up, float* y, int width);
  void experts(const ExpertLayer& layer, const float* x, float* y);  // x, y: [n][d_model]

  // After the last layer's attention only the rows whose logits are wanted need to go on: moves them to the front of
  // both buffers and makes them all of the step.
  void keep_logit_rows(float* a, int width_a, float* b, int width_b);
  // Logits of all remaining rows of x, [n][d_model] after the final norm, to the sink.
  void logits(const Weight& output, const float* x);

 private:
  // The kernel a weight is multiplied by, and the form of activations that reads.
  struct Kernel {
    MatmulFn multiply;
    ActForm form;
  };
  Kernel kernel_of(const Weight& w) const;
  ActRows prepare(const float* x, int n, int k, ActForm form);
  ActRows own_acts(const float* x, int n, int k, ActForm form) const;
  // `count` values at x, from value `first` on of row `row` of k, to the activation buffers.
  void store_act(const float* x, size_t row, int k, int first, int count, ActForm form);
  AttendRows attend_rows(int layer, int kv_head, int first_row, int n_rows, const float* q, float* out, int thread);
  // Rows whose attention the memory's policy counts: the same bits, and what every slot got of them.
  void attend_watched(int layer, int first_row, const float* q, float* out);
  void probe(int layer, const float* q, float* out);
  void count_attention(int layer, int kv_head, const AttendRows& rows, int first_row, int n_rows);
  // Few rows over a long context: chunks of the context are the units, not only kv-heads. The bits are the same.
  void attend_by_chunks(int layer, int n_chunks, const float* q, float* out);
  void route(const ExpertLayer& layer, const float* x);
  void group_by_expert(const ExpertLayer& layer);
  ActRows gather_slots(const float* x, int k, ActForm form, int n_used);
  ActRows expert_rows(const ActRows& all, int expert, ActForm form) const;
  template <class Unit>
  void each_expert_block(int n_rows, int block, Unit&& unit);
  void expert_gate_up(const ExpertLayer& layer, const float* x);
  void expert_down(const ExpertLayer& layer);

  const ModelConfig& config_;
  const KernelTable& k_;
  bool fast_;
  const ThreadTeam& team_;
  StepBuffers& b_;
  KvMemory& memory_;
  KvSequence& kv_;
  std::span<const int32_t> tokens_;
  int n_;
  int position_;  // of the step's first row
  int probed_;    // row whose queries the memory holds against its cold tier, -1: none
  int watched_;   // first row whose attention is counted
  int first_logit_row_;
  const LogitSink& sink_;
  const std::atomic<bool>* cancel_;
  const RopeTable* rope_filled_ = nullptr;
  size_t used_ = 0;
  int n_active_ = 0;  // experts with tokens
  Status status_;
};

}  // namespace kedge::engine
