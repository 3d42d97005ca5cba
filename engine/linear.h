// Products of activation rows with weights: which kernel, which form of the rows, how weight rows are spread over the
// team.
#pragma once

#include <initializer_list>

#include "engine/act_form.h"
#include "engine/adapter_products.h"
#include "engine/product.h"
#include "engine/step_parts.h"

namespace kedge::engine {

// A product per head: y[i][e] = w[e] * x[i][e] for every head e of w.n_experts and row i. x has the heads of a row
// `x_head` floats apart and the rows `x_row`, y likewise. `gathered` has room for all rows of x.
struct HeadProduct {
  const Weight& w;
  const float* x;
  size_t x_row;
  size_t x_head;
  float* y;
  size_t y_row;
  size_t y_head;
  float* gathered;
};

class Linear {
 public:
  // The kernel a weight is multiplied by, and the form of activations that reads.
  struct Kernel {
    MatmulFn multiply;
    ActForm form;
  };

  Linear(const StepContext& context, const AdapterProducts& adapters) : c_(context), adapters_(adapters) {}

  Kernel kernel_of(const Weight& w) const;
  // x: [n][width], rows of the step from `first_row` on. With what their sequences' adapters add.
  void multiply(const float* x, int n, int width, std::initializer_list<Product> products, int first_row = 0) const;

  void multiply_heads(const HeadProduct& product, int n) const;

  // Rows of x, [n][k], in one form. Valid until the next call.
  ActRows prepare(const float* x, int n, int k, ActForm form) const;
  // The activation buffers as rows of k values.
  ActRows own_rows(const float* x, int n, int k, ActForm form) const;
  // `count` values at x, from value `first` on of row `row` of k, to the activation buffers.
  void store(const float* x, size_t row, int k, int first, int count, ActForm form) const;

 private:
  StepContext c_;
  const AdapterProducts& adapters_;
};

}  // namespace kedge::engine
