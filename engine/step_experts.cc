// The mixture-of-experts layer: route, group tokens by expert, multiply, combine in ascending expert id.
#include <algorithm>
#include <cstring>

#include "engine/step.h"

namespace kedge {

namespace {

constexpr int kUnitRows = 32;
size_t to_size(int x) { return static_cast<size_t>(x); }
unsigned bit(QuantFamily f) { return 1u << static_cast<unsigned>(f); }

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

}  // namespace

// Softmax over all experts in float32, the best n_used, weights in chosen[] order.
void Step::route(const ExpertLayer& layer, const float* x) {
  const int n_experts = layer.router.rows;
  const int used = layer.n_used;
  multiply(x, config_.d_model, {{layer.router, b_.gate_probs.data()}});
  auto body = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      float* p = b_.gate_probs.data() + i * to_size(n_experts);
      int32_t* chosen = b_.chosen.data() + i * to_size(used);
      float* weight = b_.slot_weight.data() + i * to_size(used);
      k_.softmax(p, n_experts);
      select_experts(p, n_experts, used, chosen);
      float sum = 0.0f;
      for (int j = 0; j < used; ++j) sum += weight[j] = p[chosen[j]];
      for (int j = 0; layer.normalise && j < used; ++j) weight[j] /= sum;
    }
  };
  n_ < 4 ? body(0, to_size(n_), 0) : team_.split(to_size(n_), 1, body);
}

// Counting sort of (token, choice) by expert; tokens stay in order within an expert.
void Step::group_by_expert(const ExpertLayer& layer) {
  const int n_experts = layer.router.rows;
  const int n_slots = n_ * layer.n_used;
  int32_t* start = b_.expert_start.data();
  std::memset(start, 0, to_size(n_experts + 1) * sizeof(int32_t));
  for (int i = 0; i < n_slots; ++i) ++start[b_.chosen[to_size(i)] + 1];
  for (int e = 0; e < n_experts; ++e) start[e + 1] += start[e];
  // `start` is advanced while placing and shifted back afterwards.
  for (int i = 0; i < n_slots; ++i) {
    const int32_t slot = start[b_.chosen[to_size(i)]]++;
    b_.slot_token[to_size(slot)] = i / layer.n_used;
    b_.token_slot[to_size(i)] = slot;
  }
  for (int e = n_experts; e > 0; --e) start[e] = start[e - 1];
  start[0] = 0;
}

// gate, up, activation, down for all experts. A unit is (expert, block of weight rows).
void Step::expert_products(const ExpertLayer& layer, const float* x) {
  const int d_ff = layer.gate.rows;
  const int d_model = layer.down.rows;
  const int n_slots = n_ * layer.n_used;
  const int n_experts = layer.router.rows;
  float* gate_out = b_.expert_mid.data();
  float* up_out = gate_out + to_size(n_slots) * to_size(d_ff);
  const int32_t* start = b_.expert_start.data();

  auto rows_of = [&](const ActRows& all, int e, bool by_token) {
    ActRows a = all;
    a.n = start[e + 1] - start[e];
    if (by_token) {
      a.index = b_.slot_token.data() + start[e];
    } else {
      const size_t first = to_size(start[e]);
      const size_t k = to_size(all.k);
      a.x += first * k;
      a.q += first * k;
      a.sums16 += first * (k / 16);
      a.sums32 += first * (k / 32);
      a.d += first * (k / (layer.down.format->family == QuantFamily::kSuper256 ? 256 : 32));
    }
    return a;
  };
  auto product = [&](const Weight& w, const ActRows& all, bool by_token, float* out) {
    const int blocks = (w.rows + kUnitRows - 1) / kUnitRows;
    return [&w, &all, by_token, out, blocks, start, &rows_of, this](size_t unit, int thread) {
      const int e = static_cast<int>(unit) / blocks;
      if (start[e] == start[e + 1]) return;
      const int first = static_cast<int>(unit) % blocks * kUnitRows;
      const WeightRows rows = w.slice(first, std::min(kUnitRows, w.rows - first), e);
      k_.matmul[w.format->index](rows, rows_of(all, e, by_token), out + to_size(start[e]) * to_size(w.rows) + first,
                                 to_size(w.rows), b_.scratch[to_size(thread)].data());
    };
  };

  const ActRows in = prepare(x, n_, d_model, bit(layer.gate.format->family));
  const auto gate = product(layer.gate, in, true, gate_out);
  const size_t ff_units = to_size(n_experts) * to_size((d_ff + kUnitRows - 1) / kUnitRows);
  if (layer.up.format->family == layer.gate.format->family) {
    const auto up = product(layer.up, in, true, up_out);
    team_.each(2 * ff_units, [&](size_t u, int t) { u % 2 == 0 ? gate(u / 2, t) : up(u / 2, t); });
  } else {
    team_.each(ff_units, gate);
    const ActRows other = prepare(x, n_, d_model, bit(layer.up.format->family));
    team_.each(ff_units, product(layer.up, other, true, up_out));
  }
  auto activate = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      k_.silu_mul(gate_out + i * to_size(d_ff), up_out + i * to_size(d_ff), gate_out + i * to_size(d_ff), d_ff);
    }
    quantise_rows(gate_out, begin, end, d_ff, bit(layer.down.format->family));
  };
  n_slots < 16 ? activate(0, to_size(n_slots), 0) : team_.split(to_size(n_slots), 1, activate);
  ActRows mid = in;
  mid.k = d_ff;
  mid.x = gate_out;
  const auto down = product(layer.down, mid, false, b_.expert_out.data());
  team_.each(to_size(n_experts) * to_size((d_model + kUnitRows - 1) / kUnitRows), down);
}

void Step::experts(const ExpertLayer& layer, const float* x, float* y) {
  if (n_ == 0) return;
  route(layer, x);
  group_by_expert(layer);
  expert_products(layer, x);
  const size_t d = to_size(config_.d_model);
  auto combine = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      float* out = y + i * d;
      std::memset(out, 0, d * sizeof(float));
      for (size_t j = i * to_size(layer.n_used); j < (i + 1) * to_size(layer.n_used); ++j) {
        const float* slot = b_.expert_out.data() + to_size(b_.token_slot[j]) * d;
        k_.add_scaled(slot, b_.slot_weight[j], out, config_.d_model);
      }
    }
  };
  n_ < 4 ? combine(0, to_size(n_), 0) : team_.split(to_size(n_), 1, combine);
}

}  // namespace kedge
