// What a step is made of: the engine's means, and the rows of each sequence in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/adapter.h"
#include "engine/config.h"
#include "engine/expert_stats.h"
#include "engine/state_rows.h"
#include "engine/step_buffers.h"
#include "kernels/base/parallel.h"
#include "kernels/kernel_table.h"
#include "memory/kv_step.h"

namespace kedge::engine {

class ActivationStats;

// What all steps of an engine work with.
struct StepContext {
  const ModelConfig& config;
  const KernelTable& kernels;
  bool fast;  // kernels/fast_numerics.h where the table has it
  const ThreadTeam& team;
  StepBuffers& buffers;
  ActivationStats* activations = nullptr;  // what products read is added up there

  // Calls body(row, thread) for every row in [0, n).
  template <class Body>
  void each_row(int n, Body&& body) const {
    constexpr int kFewRows = 4;  // below, a plain loop is cheaper than waking the team
    const auto run = [&](size_t begin, size_t end, int thread) {
      for (size_t i = begin; i < end; ++i) body(i, thread);
    };
    const auto rows = static_cast<size_t>(n);
    n < kFewRows ? run(0, rows, 0) : team.split(rows, 1, run);
  }
};

// Receives the logits of one row of a part, or its hidden state, and whether all of it is finite; a Status that is not
// ok ends the part.
using LogitSink = std::function<Status(int row, std::span<const float> logits, bool finite)>;

// The rows one sequence has in a step.
struct StepPart {
  std::span<const int32_t> tokens;
  KvStep* kv = nullptr;                       // its transaction, for so many tokens
  std::span<const AdapterUse> adapters = {};  // added to its rows, in this order
  int first_logit_row = 0;                    // rows whose logits are wanted begin here
  bool hidden = false;                        // not their logits, but their hidden states
  StateRows* states = nullptr;                // where the hidden states of all its rows are kept, too
  std::span<const float> given = {};          // [n][d_model] hidden states it reads beside the tokens, or none
  bool far_context = false;                   // its context is longer than ModelConfig::long_context_beyond
  const LogitSink* sink = nullptr;            // set where some are
  std::span<float> last_logits = {};          // [n_vocab] or none: where those of its last row are copied
  ExpertStats* experts = nullptr;             // null for dense models
  const std::atomic<bool>* cancel = nullptr;  // looked at between layers
  int first_row = 0;                          // of the step
  int first_kept = 0;                         // its rows before this one have left the step
  Status status;                              // what went wrong; the other parts go on
  int n() const { return static_cast<int>(tokens.size()); }
  // Rows before this one may leave the step behind the last layer's attention.
  int first_needed_row() const { return states == nullptr ? first_logit_row : 0; }
};

// The parts of a step, laid out.
class StepParts {
 public:
  // Rows are numbered through; which part each belongs to goes into the buffers. At most the buffers' rows in all.
  StepParts(std::vector<StepPart>& parts, StepBuffers& buffers);
  int rows() const { return rows_; }
  std::vector<StepPart>& all() { return parts_; }
  // In the text of its sequence.
  int position_of(size_t row) { return of_row(row).kv->first_position() + buffers_.row_in_part[row]; }
  StepPart& of_row(size_t row) { return parts_[static_cast<size_t>(buffers_.part_of[row])]; }
  // Only rows from first_needed_row() on are left of every part, and lie one after the other.
  void keep_logit_rows();
  // Looks at the flags; true when no part is left.
  bool stopped();

 private:
  std::vector<StepPart>& parts_;
  StepBuffers& buffers_;
  int rows_ = 0;
};

}  // namespace kedge::engine
