// The mixture-of-experts layer: route, group tokens by expert, multiply, combine in ascending expert id. The rows of
// all sequences of a step are one pool.
#pragma once

#include "engine/linear.h"
#include "engine/step_parts.h"

namespace kedge::engine {

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

class Experts {
 public:
  Experts(const StepContext& context, StepParts& parts, const Linear& linear)
      : c_(context), b_(context.buffers), parts_(parts), linear_(linear) {}

  void run(const ExpertLayer& layer, const float* x, int n, float* y);  // x, y: [n][d_model]

 private:
  void route(const ExpertLayer& layer, const float* x);
  void group_by_expert(const ExpertLayer& layer);
  ActRows gather_slots(const float* x, int k, ActForm form, int n_used);
  ActRows expert_rows(const ActRows& all, int expert, ActForm form) const;
  template <class Unit>
  void each_expert_block(int n_rows, int block, Unit&& unit);
  void gate_up(const ExpertLayer& layer, const float* x);
  void down(const ExpertLayer& layer);
  void combine(const ExpertLayer& layer, float* y);

  StepContext c_;
  StepBuffers& b_;
  StepParts& parts_;
  const Linear& linear_;
  int n_ = 0;         // rows
  int n_active_ = 0;  // experts with tokens
};

}  // namespace kedge::engine
