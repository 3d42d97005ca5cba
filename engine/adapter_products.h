// What adapters add in a step: to products, to what is looked up, to the residual stream. Rows of sequences without
// adapters are not touched. The numbers are defined in engine/adapter.h.
#pragma once

#include <initializer_list>
#include <span>

#include "engine/adapter.h"
#include "engine/adapter_buffers.h"
#include "engine/product.h"
#include "engine/step_parts.h"

namespace kedge::engine {

class AdapterProducts {
 public:
  AdapterProducts(const StepContext& context, StepParts& parts);

  // Whether any sequence of the step has adapters; nothing below is to be called otherwise.
  explicit operator bool() const { return any_; }

  // To products of x, [n][width], whose first row is the step's row `first_row`.
  void add(const float* x, int first_row, int n, int width, std::initializer_list<Product> products) const;
  // To rows of a table, x: [n][table.k].
  void add_to_lookups(const Weight& table, float* x, int n) const;
  // To the residual stream behind a layer, x: [n][width].
  void steer(int layer, float* x, int n, int width) const;

  // Experts' products, whose rows are slots: at most kMostOfSlots of the weights that read the same input.
  static constexpr int kMostOfSlots = 2;
  struct Slots {
    int n_rows;
    int n_used;
    const int32_t* slot_of;    // [n_rows][n_used]
    const int32_t* expert_of;  // likewise
  };
  // What products of the slots need first: input(row, slot) has the values that the slot's expert reads.
  template <class Input>
  void prepare_slots(const Slots& slots, std::initializer_list<const Weight*> weights, Input&& input) const {
    c_.each_row(slots.n_rows, [&](size_t row, int thread) {
      for (size_t j = row * size(slots.n_used); j < (row + 1) * size(slots.n_used); ++j) {
        const auto slot = size(slots.slot_of[j]);
        b().row_of_slot[slot] = static_cast<int32_t>(row);
        int place = 0;
        for (const Weight* w : weights) {
          if (*w) lower_slot(*w, place, slot, slots.expert_of[j], input(row, slot), thread);
          ++place;
        }
      }
    });
  }
  // To values [first, first + count) of a slot's product with weight number `place` of those it was prepared with.
  void add_to_slot(const Weight& w, int place, size_t slot, int expert, int first, int count, float* y,
                   int thread) const;

 private:
  using Uses = std::span<const AdapterUse>;
  static size_t size(int x) { return static_cast<size_t>(x); }
  AdapterBuffers& b() const { return c_.buffers.adapters; }
  Uses uses_of(size_t row) const { return parts_.of_row(row).adapters; }
  size_t cut(int first_row, int n) const;
  float* lowered(size_t first_row, size_t n, size_t place, size_t places, size_t before) const;
  void lower(const Weight& w, size_t place, size_t places, const AdapterTile& tile, int block, const ActRows& x,
             int thread) const;
  void raise(const Weight& w, size_t place, size_t places, const AdapterTile& tile, int first, int count, float* y,
             int thread) const;
  void lower_slot(const Weight& w, int place, size_t slot, int expert, const float* x, int thread) const;
  void product(const FloatMatrix& m, const WeightRows& rows, const ActRows& x, float* y, size_t ldy, int thread) const {
    c_.kernels.matmul[m.format->index](rows, x, y, ldy, c_.buffers.scratch[size(thread)].data());
  }

  StepContext c_;
  StepParts& parts_;
  bool any_ = false;
};

}  // namespace kedge::engine
