// Products of activation rows with weights: which kernel, which form of the rows, how weight rows are spread over the
// team.
#pragma once

#include <initializer_list>

#include "engine/act_form.h"
#include "engine/loader.h"
#include "engine/step_parts.h"

namespace kedge::engine {

// One product of a group that shares its input: y[n][w.rows] = x * w^T (+ bias).
struct Product {
  const Weight& w;
  float* y;
  const float* bias = nullptr;
};

class Linear {
 public:
  // The kernel a weight is multiplied by, and the form of activations that reads.
  struct Kernel {
    MatmulFn multiply;
    ActForm form;
  };

  explicit Linear(const StepContext& context) : c_(context) {}

  Kernel kernel_of(const Weight& w) const;
  // x: [n][width].
  void multiply(const float* x, int n, int width, std::initializer_list<Product> products) const;

  // Rows of x, [n][k], in one form. Valid until the next call.
  ActRows prepare(const float* x, int n, int k, ActForm form) const;
  // The activation buffers as rows of k values.
  ActRows own_rows(const float* x, int n, int k, ActForm form) const;
  // `count` values at x, from value `first` on of row `row` of k, to the activation buffers.
  void store(const float* x, size_t row, int k, int first, int count, ActForm form) const;

 private:
  StepContext c_;
};

}  // namespace kedge::engine
