// One forward pass over the rows (tokens) of several sequences: the operations an architecture's forward() is written
// in. Rows of one sequence lie together, sequence after sequence; every operation works on all rows, spreads them over
// the thread team and calls one kernel. How it is spread, and what else is in the step, never changes a bit of a row.
// Activations are row-major [n][width] in the engine's buffers.
#pragma once

#include <initializer_list>

#include "engine/attention.h"
#include "engine/experts.h"
#include "engine/linear.h"
#include "engine/step_parts.h"

namespace kedge::engine {

class Step {
 public:
  Step(const StepContext& context, StepParts& parts);

  int rows() const { return n_; }
  // True when the pass should end: every part has failed or been cancelled.
  bool stopped() { return parts_.stopped(); }

  // A [n][width] buffer for the rest of the pass.
  float* buffer(int width);
  // Gives back the buffers taken since mark(): a layer's second half reuses the memory of its first.
  size_t mark() const { return used_; }
  void rewind(size_t mark) { used_ = mark; }

  void embed(const Weight& table, float* x);                                  // x: [n][d_model]
  void norm(const float* x, const float* weight, float* y, int width);        // RMS norm per row
  void norm_heads(float* x, const float* weight, int n_heads, int head_dim);  // RMS norm per head, in place
  void multiply(const float* x, int width, std::initializer_list<Product> products) {
    linear_.multiply(x, n_, width, products);
  }
  void rope(float* x, int n_heads, int head_dim, const RopeTable& table) {
    attention_.rope(x, n_heads, head_dim, table);
  }
  // Appends k and v; causal within a part.
  void attend(int layer, const float* q, const float* k, const float* v, float* out) {
    attention_.attend(layer, q, k, v, out);
  }
  void add(const float* x, float* y, int width);  // y += x
  void silu_mul(const float* gate, const float* up, float* y, int width);
  void experts(const ExpertLayer& layer, const float* x, float* y) { experts_.run(layer, x, n_, y); }  // [n][d_model]

  // After the last layer's attention only the rows whose logits are wanted need to go on: moves them to the front of
  // both buffers and makes them all of the step.
  void keep_logit_rows(float* a, int width_a, float* b, int width_b);
  // Logits of all remaining rows of x, [n][d_model] after the final norm, to the parts' sinks.
  void logits(const Weight& output, const float* x);

 private:
  template <class Body>
  void each_row(Body&& body) const;

  StepContext c_;
  StepParts& parts_;
  Linear linear_;
  Attention attention_;
  Experts experts_;
  int n_;
  size_t used_ = 0;
};

}  // namespace kedge::engine
