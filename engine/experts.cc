#include "engine/experts.h"

#include <algorithm>
#include <cstring>

namespace kedge::engine {

namespace {

// Weight rows of a unit of the down product: a stretch of memory worth starting to read.
constexpr int kUnitRows = 256;
size_t to_size(int x) { return static_cast<size_t>(x); }

// The ids of the n_used largest probabilities, ascending; ties go to the lower id.
void select_experts(const float* p, int n_experts, int n_used, int32_t* chosen) {
  for (int j = 0; j < n_used; ++j) {
    int best = -1;
    for (int e = 0; e < n_experts; ++e) {
      if (std::find(chosen, chosen + j, e) != chosen + j) continue;
      if (best < 0 || p[e] > p[best]) best = e;
    }
    chosen[j] = best;
  }
  std::sort(chosen, chosen + n_used);
}

// The smallest chosen probability minus the largest of the others; `chosen` ascending.
float choice_margin(const float* p, int n_experts, const int32_t* chosen, int n_used) {
  if (n_used == n_experts) return 0.0f;
  float least = 1.0f;
  float best_left = 0.0f;
  int j = 0;
  for (int e = 0; e < n_experts; ++e) {
    if (j < n_used && chosen[j] == e) {
      least = std::min(least, p[e]);
      ++j;
    } else {
      best_left = std::max(best_left, p[e]);
    }
  }
  return least - best_left;
}

}  // namespace

// Softmax over all experts in float32, the best n_used, weights in chosen[] order.
void Experts::route(const ExpertLayer& layer, const float* x) {
  const int n_experts = layer.router.rows;
  const int used = layer.n_used;
  linear_.multiply(x, n_, c_.config.d_model, {{layer.router, b_.gate_probs.data()}});
  c_.each_row(n_, [&](size_t i, int) {
    float* p = b_.gate_probs.data() + i * to_size(n_experts);
    int32_t* chosen = b_.chosen.data() + i * to_size(used);
    float* weight = b_.slot_weight.data() + i * to_size(used);
    float* logits = b_.gate_logits.data() + i * to_size(n_experts);
    std::memcpy(logits, p, to_size(n_experts) * sizeof(float));
    c_.kernels.softmax(p, n_experts);
    select_experts(p, n_experts, used, chosen);
    b_.gate_facts[2 * i] = choice_margin(p, n_experts, chosen, used);
    b_.gate_facts[2 * i + 1] = softmax_entropy(logits, p, n_experts);
    float sum = 0.0f;
    for (int j = 0; j < used; ++j) sum += weight[j] = p[chosen[j]];
    for (int j = 0; layer.normalise && j < used; ++j) weight[j] /= sum;
  });
  for (size_t i = 0; i < to_size(n_); ++i) {
    parts_.of_row(i).experts->add(layer.index, b_.chosen.data() + i * to_size(used), used, b_.gate_facts[2 * i],
                                  b_.gate_facts[2 * i + 1]);
  }
}

// Counting sort of (token, choice) by expert; tokens stay in order within an expert.
void Experts::group_by_expert(const ExpertLayer& layer) {
  const int n_experts = layer.router.rows;
  const int n_slots = n_ * layer.n_used;
  int32_t* start = b_.expert_start.data();
  std::memset(start, 0, to_size(n_experts + 1) * sizeof(int32_t));
  for (int i = 0; i < n_slots; ++i) ++start[b_.chosen[to_size(i)] + 1];
  for (int e = 0; e < n_experts; ++e) start[e + 1] += start[e];
  // `start` is advanced while placing and shifted back afterwards.
  for (int i = 0; i < n_slots; ++i) {
    const int32_t slot = start[b_.chosen[to_size(i)]]++;
    b_.token_slot[to_size(i)] = slot;
  }
  for (int e = n_experts; e > 0; --e) start[e] = start[e - 1];
  start[0] = 0;
  n_active_ = 0;
  int32_t* order = b_.expert_order.data();
  for (int e = 0; e < n_experts; ++e) {
    if (start[e] < start[e + 1]) order[n_active_++] = e;
  }
  // Not stable_sort, which allocates.
  std::sort(order, order + n_active_, [&](int a, int b) {
    const int more = start[a + 1] - start[a] - (start[b + 1] - start[b]);
    return more != 0 ? more > 0 : a < b;
  });
}

// The rows of `x` in one form, one per (token, expert) slot, grouped by expert. They lie in the memory of expert_out,
// which nothing else uses before the down products.
ActRows Experts::gather_slots(const float* x, int k, ActForm form, int n_used) {
  const ActRows source = linear_.prepare(x, n_, k, form);
  const ActSink sink = ActSink::place(b_.expert_out.data(), to_size(n_) * to_size(n_used), to_size(k), form);
  c_.each_row(n_, [&](size_t i, int) {
    for (size_t j = i * to_size(n_used); j < (i + 1) * to_size(n_used); ++j) {
      sink.copy(source, i, to_size(b_.token_slot[j]), form);
    }
  });
  return sink.rows();
}

// The rows of one expert.
ActRows Experts::expert_rows(const ActRows& all, int expert, ActForm form) const {
  const int first = b_.expert_start[to_size(expert)];
  return slice_rows(all, to_size(first), b_.expert_start[to_size(expert) + 1] - first, form);
}

// Calls unit(expert, first row, rows, thread) for blocks of `block` of the experts' n_rows weight rows: the experts
// with tokens only, those with most of them first, all in one pool.
template <class Unit>
void Experts::each_expert_block(int n_rows, int block, Unit&& unit) {
  const int blocks = (n_rows + block - 1) / block;
  c_.team.each(to_size(n_active_) * to_size(blocks), [&](size_t u, int thread) {
    const int expert = b_.expert_order[u / to_size(blocks)];
    const int first = static_cast<int>(u % to_size(blocks)) * block;
    unit(expert, first, std::min(block, n_rows - first), thread);
  });
}

// gate, up, activation and its quantisation for the down product, fused: a unit is one expert's block of whole
// quantisation groups of rows.
void Experts::gate_up(const ExpertLayer& layer, const float* x) {
  const int d_ff = layer.gate.rows;
  const size_t ff = to_size(d_ff);
  float* gate_out = b_.expert_mid.data();
  float* up_out = gate_out + to_size(n_) * to_size(layer.n_used) * ff;
  const ActForm gate_form = linear_.kernel_of(layer.gate).form;
  const ActForm up_form = linear_.kernel_of(layer.up).form;
  const ActForm down_form = linear_.kernel_of(layer.down).form;
  const int block = down_form == ActForm::kSuper256 ? 256 : 64;
  auto product = [&](const Weight& w, const ActRows& rows, float* out, int e, int first, int count, int thread) {
    const size_t at = to_size(b_.expert_start[to_size(e)]) * ff + to_size(first);
    const Linear::Kernel kernel = linear_.kernel_of(w);
    kernel.multiply(w.slice(first, count, e), expert_rows(rows, e, kernel.form), out + at, ff,
                    b_.scratch[to_size(thread)].data());
  };
  auto activate = [&](int e, int first, int count) {
    for (int s = b_.expert_start[to_size(e)]; s < b_.expert_start[to_size(e) + 1]; ++s) {
      const size_t at = to_size(s) * ff + to_size(first);
      c_.kernels.silu_mul(gate_out + at, up_out + at, gate_out + at, count);
      linear_.store(gate_out + at, to_size(s), d_ff, first, count, down_form);
    }
  };
  const ActRows rows = gather_slots(x, c_.config.d_model, gate_form, layer.n_used);
  if (gate_form == up_form) {
    each_expert_block(d_ff, block, [&](int e, int first, int count, int thread) {
      product(layer.gate, rows, gate_out, e, first, count, thread);
      product(layer.up, rows, up_out, e, first, count, thread);
      activate(e, first, count);
    });
    return;
  }
  each_expert_block(d_ff, block, [&](int e, int first, int count, int thread) {
    product(layer.gate, rows, gate_out, e, first, count, thread);
  });
  const ActRows other = gather_slots(x, c_.config.d_model, up_form, layer.n_used);
  each_expert_block(d_ff, block, [&](int e, int first, int count, int thread) {
    product(layer.up, other, up_out, e, first, count, thread);
    activate(e, first, count);
  });
}

void Experts::down(const ExpertLayer& layer) {
  const int d_model = layer.down.rows;
  const Linear::Kernel kernel = linear_.kernel_of(layer.down);
  const ActRows rows = linear_.own_rows(b_.expert_mid.data(), 0, layer.gate.rows, kernel.form);
  each_expert_block(d_model, kUnitRows, [&](int e, int first, int count, int thread) {
    float* out = b_.expert_out.data() + to_size(b_.expert_start[to_size(e)]) * to_size(d_model) + first;
    kernel.multiply(layer.down.slice(first, count, e), expert_rows(rows, e, kernel.form), out, to_size(d_model),
                    b_.scratch[to_size(thread)].data());
  });
}

void Experts::combine(const ExpertLayer& layer, float* y) {
  const size_t d = to_size(c_.config.d_model);
  c_.each_row(n_, [&](size_t i, int) {
    float* out = y + i * d;
    std::memset(out, 0, d * sizeof(float));
    for (size_t j = i * to_size(layer.n_used); j < (i + 1) * to_size(layer.n_used); ++j) {
      const float* slot = b_.expert_out.data() + to_size(b_.token_slot[j]) * d;
      c_.kernels.add_scaled(slot, b_.slot_weight[j], out, c_.config.d_model);
    }
  });
}

void Experts::run(const ExpertLayer& layer, const float* x, int n, float* y) {
  n_ = n;
  if (n_ == 0) return;
  route(layer, x);
  group_by_expert(layer);
  gate_up(layer, x);
  down(layer);
  combine(layer, y);
}

}  // namespace kedge::engine
