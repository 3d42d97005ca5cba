// Feed-forwards and the mixture-of-experts layer: route, group tokens by expert, multiply, combine in ascending expert
// id. The rows of all sequences of a step are one pool.
#pragma once

#include "engine/linear.h"
#include "engine/step_parts.h"

namespace kedge::engine {

// What an expert, or any feed-forward, does with its gate and up rows.
struct FeedForwardForm {
  Activation activation = Activation::kSilu;  // of the gate, which multiplies up; of up where there is no gate
  float clip = 0;                             // c > 0: swiglu_clipped instead, with this limit and alpha 1.702
};

// y = what the form makes of n values of gate (null: none) and up; y may be either of them.
void run_feed_forward(const KernelTable& kernels, const FeedForwardForm& form, const float* gate, const float* up,
                      float* y, int n);

// How a router picks experts and weighs them.
struct RoutingForm {
  bool sigmoid = false;         // scores are sigmoids of the logits, otherwise their softmax
  const float* bias = nullptr;  // [n_experts] added to the scores for the choice, not for the weights; null: nothing
  int n_groups = 1;             // experts in a row form a group; only those of the groups_used groups whose best two
  int groups_used = 1;          // together are best can be chosen
  bool normalise = true;        // selected weights are divided by their sum
  float scale = 1;              // and multiplied
};

struct ExpertLayer {
  Weight router;                       // [n_experts][d_model]
  const float* router_bias = nullptr;  // [n_experts] of the logits; null: none
  Weight gate;                         // [n_experts][d_ff_expert][d_model], or none
  Weight up;
  Weight down;                       // [n_experts][d_model][d_ff_expert]
  const float* gate_bias = nullptr;  // [n_experts][rows], as those of up and down; null: none
  const float* up_bias = nullptr;
  const float* down_bias = nullptr;
  FeedForwardForm form;
  RoutingForm routing;
  int n_used = 0;
  int index = 0;  // among the model's expert layers
};

class Experts {
 public:
  Experts(const StepContext& context, StepParts& parts, const Linear& linear, const AdapterProducts& adapters)
      : c_(context), b_(context.buffers), parts_(parts), linear_(linear), adapters_(adapters) {}

  // x, y: [n][d_model], which may be the same; `route_by`: what the router reads, x otherwise.
  void run(const ExpertLayer& layer, const float* x, int n, float* y, const float* route_by);

 private:
  void route(const ExpertLayer& layer, const float* x);
  void route_row(const ExpertLayer& layer, size_t row);
  void group_by_expert(const ExpertLayer& layer);
  ActRows gather_slots(const float* x, int k, ActForm form, int n_used);
  ActRows expert_rows(const ActRows& all, int expert, ActForm form) const;
  template <class Unit>
  void each_expert_block(int n_rows, int block, Unit&& unit);
  void product(const Weight& w, const ActRows& rows, float* out, int expert, int first, int count, int thread,
               const float* bias, int place = 0);
  AdapterProducts::Slots slots(const ExpertLayer& layer) const {
    return {n_, layer.n_used, b_.token_slot.data(), b_.chosen.data()};
  }
  template <class Input>
  void watch(const Weight& w, int n_used, Input&& input);
  void activate(const ExpertLayer& layer, int expert, int first, int count);
  void gate_up(const ExpertLayer& layer, const float* x);
  void down(const ExpertLayer& layer);
  void combine(const ExpertLayer& layer, float* y);

  StepContext c_;
  StepBuffers& b_;
  StepParts& parts_;
  const Linear& linear_;
  const AdapterProducts& adapters_;
  int n_ = 0;         // rows
  int n_active_ = 0;  // experts with tokens
};

}  // namespace kedge::engine
