// One forward pass over the rows (tokens) of several sequences: the operations an architecture's forward() is written
// in. Rows of one sequence lie together, sequence after sequence; every operation works on all rows, spreads them over
// the thread team and calls one kernel. How it is spread, and what else is in the step, never changes a bit of a row.
// Activations are row-major [n][width] in the engine's buffers.
#pragma once

#include <array>
#include <initializer_list>

#include "engine/adapter_products.h"
#include "engine/attention.h"
#include "engine/experts.h"
#include "engine/linear.h"
#include "engine/step_parts.h"

namespace kedge::engine {

// RMS norm or LayerNorm with its weights.
struct Norm {
  const float* weight = nullptr;  // [width]; null: none
  const float* bias = nullptr;    // likewise
  bool layer = false;             // LayerNorm: the mean is taken out first
};

class Step {
 public:
  Step(const StepContext& context, StepParts& parts);
  Step(const Step&) = delete;  // its members refer to each other
  Step& operator=(const Step&) = delete;

  int rows() const { return n_; }
  StepParts& parts() { return parts_; }
  const StepContext& context() const { return c_; }
  // True when the pass should end: every part has failed or been cancelled.
  bool stopped() { return parts_.stopped(); }

  // A [n][width] buffer for the rest of the pass.
  float* buffer(int width);
  // Gives back the buffers taken since mark(): a layer's second half reuses the memory of its first.
  size_t mark() const { return used_; }
  void rewind(size_t mark) { used_ = mark; }

  void embed(const Weight& table, float* x);  // x: [n][table.k]
  void given(float* x, int width);            // x: [n][width], the hidden states the parts were given
  void join(const float* a, const float* b, float* y, int width);  // a, b: [n][width], y: [n][2 * width]
  void norm(const float* x, const Norm& norm, float* y, int width);
  void norm_heads(float* x, const Norm& norm, int n_heads, int head_dim);  // per head, in place
  void multiply(const float* x, int width, std::initializer_list<Product> products) {
    linear_.multiply(x, n_, width, products);
  }
  void multiply_heads(const HeadProduct& product) { linear_.multiply_heads(product, n_); }
  void rope(float* x, int n_heads, int head_dim, const RopeTable& table, int first = 0) {
    attention_.rope(x, n_heads, head_dim, table, first);
  }
  // Appends k and v; causal within a part unless the spec says otherwise.
  void attend(const AttentionSpec& spec, const float* q, const float* k, const float* v, float* out) {
    attention_.attend(spec, q, k, v, out);
  }
  // x, the residual stream behind a layer: what control vectors add to it.
  void steer(int layer, float* x, int width) {
    if (adapters_) adapters_.steer(layer, x, n_, width);
  }
  void add(const float* x, float* y, int width);                  // y += x
  void add_scaled(const float* x, float s, float* y, int width);  // y += s * x
  void scale(float s, float* x, int width);                       // x *= s
  void multiply_by(const float* x, float* y, int width);          // y *= x, value by value
  void activate(Activation f, float* x, int width);
  void feed_forward(const FeedForwardForm& form, const float* gate, const float* up, float* y, int width);
  void experts(const ExpertLayer& layer, const float* x, float* y, const float* route_by = nullptr) {
    experts_.run(layer, x, n_, y, route_by == nullptr ? x : route_by);
  }
  // Calls body(row, thread) for every row.
  template <class Body>
  void each_row(Body&& body) const {
    c_.each_row(n_, body);
  }

  // x, [n][width], is needed for the rest of the pass: keep_logit_rows() takes it along.
  void live(float* x, int width) { live_[n_live_++] = {x, width}; }  // a few at most
  // After the last layer's attention only the rows whose logits are wanted need to go on: moves them to the front of
  // a, [n][width_a], and of what is live, and makes them all of the step.
  void keep_logit_rows(float* a = nullptr, int width_a = 0);
  // The same behind the last layer with keys and values of its own, where others follow that read them; unless the
  // attention of the rows is counted, which must not depend on what is wanted of them.
  void keep_logit_rows_early(float* a, int width_a);
  // Rows of x, [n][width] behind the final norm, to the sinks of parts that want them and no logits, and to the parts
  // that keep them; the step goes on with the rows whose logits are wanted.
  void hidden(float* x, int width);
  // Logits of all remaining rows of x, [n][d_model] after the final norm, to the parts' sinks.
  void logits(const Weight& output, const float* x, const float* bias = nullptr);

 private:
  struct Live {
    float* x;
    int width;
  };
  void move_row(int from, int to, float* a, int width_a);

  StepContext c_;
  StepParts& parts_;
  AdapterProducts adapters_;
  Linear linear_;
  Attention attention_;
  Experts experts_;
  int n_;
  size_t used_ = 0;
  std::array<Live, 4> live_{};
  size_t n_live_ = 0;
};

// Buffers of a part of a layer, given back at its end.
class Scratch {
 public:
  explicit Scratch(Step& step) : step_(step), mark_(step.mark()) {}
  ~Scratch() { step_.rewind(mark_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* take(int width) { return step_.buffer(width); }  // [n][width]

 private:
  Step& step_;
  size_t mark_;
};

}  // namespace kedge::engine
