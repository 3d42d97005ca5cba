#include "engine/experts.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/activation_stats.h"
#include "kernels/base/ordered_math.h"

namespace kedge::engine {

namespace {

// Weight rows of a unit of the down product: a stretch of memory worth starting to read.
constexpr int kUnitRows = 256;
size_t to_size(int x) { return static_cast<size_t>(x); }

// The ids of the n_used largest scores, ascending; ties go to the lower id.
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

// The smallest chosen score minus the largest of the others that could be chosen; `chosen` ascending.
float choice_margin(const float* p, int n_experts, const int32_t* chosen, int n_used) {
  if (n_used == n_experts) return 0.0f;
  float least = std::numeric_limits<float>::max();
  float best_left = std::numeric_limits<float>::lowest();
  int j = 0;
  for (int e = 0; e < n_experts; ++e) {
    if (j < n_used && chosen[j] == e) {
      least = std::min(least, p[e]);
      ++j;
    } else {
      best_left = std::max(best_left, p[e]);
    }
  }
  return best_left == std::numeric_limits<float>::lowest() ? 0.0f : least - best_left;
}

// Experts outside the best groups get the lowest score there is. A group counts with its best two.
void leave_best_groups(float* scores, int n_experts, const RoutingForm& form) {
  const int size = n_experts / form.n_groups;
  const auto worth = [&](int group) {
    float best = std::numeric_limits<float>::lowest();
    float second = 0;
    for (int e = group * size; e < (group + 1) * size; ++e) {
      if (scores[e] > best) {
        second = e == group * size ? 0 : best;
        best = scores[e];
      } else if (e == group * size + 1 || scores[e] > second) {
        second = scores[e];
      }
    }
    return best + second;
  };
  uint64_t kept = 0;  // a bit per group
  for (int i = 0; i < form.groups_used; ++i) {
    int best = -1;
    float best_worth = 0;
    for (int g = 0; g < form.n_groups; ++g) {
      if ((kept >> g & 1) != 0) continue;
      const float w = worth(g);
      if (best < 0 || w > best_worth) {
        best = g;
        best_worth = w;
      }
    }
    kept |= uint64_t{1} << best;
  }
  for (int e = 0; e < n_experts; ++e) {
    if ((kept >> (e / size) & 1) == 0) scores[e] = std::numeric_limits<float>::lowest();
  }
}

// Entropy in nats of scores as shares of their sum.
float share_entropy(const float* scores, int n) {
  double sum = 0;
  for (int e = 0; e < n; ++e) sum += static_cast<double>(scores[e]);
  double entropy = 0;
  for (int e = 0; e < n; ++e) {
    const double share = static_cast<double>(scores[e]) / sum;
    if (share > 0) entropy -= share * ordered_log(share);
  }
  return static_cast<float>(entropy);
}

}  // namespace

// The scores of one row, the best n_used, and their weights in chosen[] order. gate_probs has the logits and then the
// scores weights come from; gate_logits gets those that choose.
void Experts::route_row(const ExpertLayer& layer, size_t i) {
  const RoutingForm& form = layer.routing;
  const int n_experts = layer.router.rows;
  const int used = layer.n_used;
  float* p = b_.gate_probs.data() + i * to_size(n_experts);
  float* by = b_.gate_logits.data() + i * to_size(n_experts);
  int32_t* chosen = b_.chosen.data() + i * to_size(used);
  float* weight = b_.slot_weight.data() + i * to_size(used);
  if (form.sigmoid) {
    c_.kernels.activate(Activation::kSigmoid, p, p, n_experts);
    b_.gate_facts[2 * i + 1] = share_entropy(p, n_experts);
  } else {
    std::memcpy(by, p, to_size(n_experts) * sizeof(float));
    c_.kernels.softmax(p, n_experts);
    b_.gate_facts[2 * i + 1] = softmax_entropy(by, p, n_experts);
  }
  std::memcpy(by, p, to_size(n_experts) * sizeof(float));
  if (form.bias != nullptr) c_.kernels.add(form.bias, by, n_experts);
  if (form.groups_used < form.n_groups) leave_best_groups(by, n_experts, form);
  select_experts(by, n_experts, used, chosen);
  b_.gate_facts[2 * i] = choice_margin(by, n_experts, chosen, used);
  float sum = 0.0f;
  for (int j = 0; j < used; ++j) sum += weight[j] = p[chosen[j]];
  for (int j = 0; j < used; ++j) {
    if (form.normalise) weight[j] /= sum;
    if (form.scale != 1) weight[j] *= form.scale;
  }
}

void Experts::route(const ExpertLayer& layer, const float* x) {
  const int used = layer.n_used;
  linear_.multiply(x, n_, layer.router.k, {{layer.router, b_.gate_probs.data(), layer.router_bias}});
  c_.each_row(n_, [&](size_t i, int) { route_row(layer, i); });
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

// Rows [first, first + count) of one expert's matrix times its tokens, to out[slot][w.rows]. `place`: of the weight
// among those that adapters were prepared for.
void Experts::product(const Weight& w, const ActRows& rows, float* out, int expert, int first, int count, int thread,
                      const float* bias, int place) {
  const size_t width = to_size(w.rows);
  const int begin = b_.expert_start[to_size(expert)];
  const int end = b_.expert_start[to_size(expert) + 1];
  const Linear::Kernel kernel = linear_.kernel_of(w);
  kernel.multiply(w.slice(first, count, expert), expert_rows(rows, expert, kernel.form),
                  out + to_size(begin) * width + first, width, b_.scratch[to_size(thread)].data());
  for (int s = begin; s < end; ++s) {
    float* y = out + to_size(s) * width + first;
    if (w.scale != nullptr) c_.kernels.scale(w.scale[expert], y, count);
    if (bias != nullptr) c_.kernels.add(bias + to_size(expert) * width + first, y, count);
    if (adapters_) adapters_.add_to_slot(w, place, to_size(s), expert, first, count, y, thread);
  }
}

// Values [first, first + count) of the expert's slots, and their quantisation for the down product.
void Experts::activate(const ExpertLayer& layer, int expert, int first, int count) {
  const int d_ff = layer.up.rows;
  const size_t ff = to_size(d_ff);
  float* gate = b_.expert_mid.data();
  float* up = gate + to_size(n_) * to_size(layer.n_used) * ff;
  const ActForm form = linear_.kernel_of(layer.down).form;
  for (int s = b_.expert_start[to_size(expert)]; s < b_.expert_start[to_size(expert) + 1]; ++s) {
    const size_t at = to_size(s) * ff + to_size(first);
    run_feed_forward(c_.kernels, layer.form, layer.gate ? gate + at : nullptr, up + at, gate + at, count);
    linear_.store(gate + at, to_size(s), d_ff, first, count, form);
  }
}

// input(row, slot): what the expert of a slot reads.
template <class Input>
void Experts::watch(const Weight& w, int n_used, Input&& input) {
  c_.activations->add(c_.team, w, to_size(n_) * to_size(n_used), [&](size_t j) {
    const auto slot = to_size(b_.token_slot[j]);
    return std::pair(to_size(b_.chosen[j]), input(j / to_size(n_used), slot));
  });
}

// gate, up, activation and its quantisation for the down product, fused: a unit is one expert's block of whole
// quantisation groups of rows.
void Experts::gate_up(const ExpertLayer& layer, const float* x) {
  const int d_ff = layer.up.rows;
  float* gate_out = b_.expert_mid.data();
  float* up_out = gate_out + to_size(n_) * to_size(layer.n_used) * to_size(d_ff);
  const bool gated = static_cast<bool>(layer.gate);
  const ActForm up_form = linear_.kernel_of(layer.up).form;
  const ActForm gate_form = gated ? linear_.kernel_of(layer.gate).form : up_form;
  const int block = linear_.kernel_of(layer.down).form == ActForm::kSuper256 ? 256 : 64;
  if (adapters_) {
    const auto input = [&](size_t row, size_t) { return x + row * to_size(layer.up.k); };
    adapters_.prepare_slots(slots(layer), {&layer.up, &layer.gate}, input);
  }
  if (c_.activations != nullptr) {
    const auto input = [&](size_t row, size_t) { return x + row * to_size(layer.up.k); };
    watch(layer.up, layer.n_used, input);
    if (gated) watch(layer.gate, layer.n_used, input);
  }
  constexpr int kUp = 0;
  constexpr int kGate = 1;
  const ActRows rows = gather_slots(x, layer.up.k, gate_form, layer.n_used);
  if (gate_form == up_form) {
    each_expert_block(d_ff, block, [&](int e, int first, int count, int thread) {
      if (gated) product(layer.gate, rows, gate_out, e, first, count, thread, layer.gate_bias, kGate);
      product(layer.up, rows, up_out, e, first, count, thread, layer.up_bias, kUp);
      activate(layer, e, first, count);
    });
    return;
  }
  each_expert_block(d_ff, block, [&](int e, int first, int count, int thread) {
    product(layer.gate, rows, gate_out, e, first, count, thread, layer.gate_bias, kGate);
  });
  const ActRows other = gather_slots(x, layer.up.k, up_form, layer.n_used);
  each_expert_block(d_ff, block, [&](int e, int first, int count, int thread) {
    product(layer.up, other, up_out, e, first, count, thread, layer.up_bias, kUp);
    activate(layer, e, first, count);
  });
}

void Experts::down(const ExpertLayer& layer) {
  if (adapters_) {
    const auto input = [&](size_t, size_t slot) { return b_.expert_mid.data() + slot * to_size(layer.up.rows); };
    adapters_.prepare_slots(slots(layer), {&layer.down}, input);
  }
  if (c_.activations != nullptr) {
    watch(layer.down, layer.n_used,
          [&](size_t, size_t slot) { return b_.expert_mid.data() + slot * to_size(layer.up.rows); });
  }
  const ActRows rows = linear_.own_rows(b_.expert_mid.data(), 0, layer.up.rows, linear_.kernel_of(layer.down).form);
  each_expert_block(layer.down.rows, kUnitRows, [&](int e, int first, int count, int thread) {
    product(layer.down, rows, b_.expert_out.data(), e, first, count, thread, layer.down_bias);
  });
}

void Experts::combine(const ExpertLayer& layer, float* y) {
  const size_t d = to_size(layer.down.rows);
  c_.each_row(n_, [&](size_t i, int) {
    float* out = y + i * d;
    std::memset(out, 0, d * sizeof(float));
    for (size_t j = i * to_size(layer.n_used); j < (i + 1) * to_size(layer.n_used); ++j) {
      const float* slot = b_.expert_out.data() + to_size(b_.token_slot[j]) * d;
      c_.kernels.add_scaled(slot, b_.slot_weight[j], out, layer.down.rows);
    }
  });
}

void Experts::run(const ExpertLayer& layer, const float* x, int n, float* y, const float* route_by) {
  n_ = n;
  if (n_ == 0) return;
  route(layer, route_by);
  group_by_expert(layer);
  gate_up(layer, x);
  down(layer);
  combine(layer, y);
}

void run_feed_forward(const KernelTable& kernels, const FeedForwardForm& form, const float* gate, const float* up,
                      float* y, int n) {
  constexpr float kClippedAlpha = 1.702f;
  if (gate == nullptr) return kernels.activate(form.activation, up, y, n);
  if (form.clip > 0) return kernels.swiglu_clipped(gate, up, y, n, kClippedAlpha, form.clip);
  if (form.activation == Activation::kSilu) return kernels.silu_mul(gate, up, y, n);
  kernels.activate_mul(form.activation, gate, up, y, n);
}

}  // namespace kedge::engine
