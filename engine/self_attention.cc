// Grouped-query attention as a part of a layer: projections, norms, positions, gate.
#include <algorithm>
#include <cmath>

#include "engine/blocks.h"
#include "kernels/base/ordered_math.h"

namespace kedge::engine {

namespace {
size_t to_size(int x) { return static_cast<size_t>(x); }

// Press et al. 2021 (arXiv 2108.12409): powers of 2^(-most / n) for the n heads up to a power of two, those between for
// the rest.
std::vector<float> alibi_slopes(float most, int n_heads) {
  constexpr double kLn2 = 0.6931471805599453;
  int n = 1;
  while (2 * n <= n_heads) n *= 2;
  std::vector<float> slopes;
  for (int h = 0; h < n_heads; ++h) {
    const double steps = h < n ? h + 1 : h - n + 0.5;
    slopes.push_back(static_cast<float>(ordered_exp(-kLn2 * double{most} / n * steps)));
  }
  return slopes;
}
}  // namespace

Status SelfAttention::load_projections(const Block& b) {
  ModelLoader& l = b.l;
  const int d = b.c().d_model;
  const int nq = spec.width_q();
  const int nk = spec.width_k();
  const int nv = spec.width_v();
  const int all = nq + nk + nv;
  const auto bias = [&](const char* name, int n) {
    return form.biases ? l.vector(b.p + name, n) : l.optional_vector(b.p + name, n);
  };
  if (form.fused) {
    KEDGE_TRY(set(q, l.matrix_part(b.p + "attn_qkv.weight", {nq, 0, all}, d)));
    KEDGE_TRY(set(k, l.matrix_part(b.p + "attn_qkv.weight", {nk, nq, all}, d)));
    KEDGE_TRY(set(v, l.matrix_part(b.p + "attn_qkv.weight", {nv, nq + nk, all}, d)));
    KEDGE_ASSIGN(biases, bias("attn_qkv.bias", all));
    if (biases != nullptr) {
      bq = biases;
      bk = biases + nq;
      bv = biases + nq + nk;
    }
  } else {
    KEDGE_TRY(set(q, l.matrix(b.p + "attn_q.weight", form.gated ? 2 * nq : nq, d)));
    KEDGE_TRY(set(bq, bias("attn_q.bias", q.rows)));
    if (form.gate_matrix) KEDGE_TRY(set(gate, l.matrix(b.p + "attn_gate.weight", spec.width_out(), d)));
    if (spec.stores) {
      KEDGE_TRY(set(k, l.matrix(b.p + "attn_k.weight", nk, d)));
      if (!form.may_lack_values || l.has(b.p + "attn_v.weight")) {
        KEDGE_TRY(set(v, l.matrix(b.p + "attn_v.weight", nv, d)));
      }
      KEDGE_TRY(set(bk, bias("attn_k.bias", nk)));
      KEDGE_TRY(set(bv, bias("attn_v.bias", nv)));
    }
  }
  KEDGE_TRY(set(o, l.matrix(b.p + "attn_output.weight", d, spec.width_out())));
  return set(bo, l.optional_vector(b.p + "attn_output.bias", d));
}

Status SelfAttention::load(const Block& b, const SelfAttentionForm& given) {
  ModelLoader& l = b.l;
  ModelConfig& c = l.config();
  form = given;
  spec.stores = form.source < 0;
  spec.layer = spec.stores ? b.index : form.source;
  spec.n_heads = c.n_heads;
  spec.shape = c.layers[to_size(spec.layer)];
  spec.scale = form.scale != 0 ? form.scale : 1.0f / std::sqrt(static_cast<float>(spec.shape.head_dim_k));
  spec.softcap = form.softcap;
  spec.both_directions = form.both_directions;
  spec.reach = form.reach;
  if (form.alibi > 0) slopes = alibi_slopes(form.alibi, spec.n_heads);
  if (!slopes.empty()) spec.slopes = slopes.data();
  is_last = b.index + 1 == c.n_layers;
  KEDGE_TRY(load_projections(b));
  const bool whole = form.qk_norm == QkNorm::kWhole;
  if (form.qk_norm != QkNorm::kNone) {
    KEDGE_TRY(set(q_norm, load_norm(l, b.p + "attn_q_norm.weight", whole ? spec.width_q() : spec.shape.head_dim_k)));
    if (spec.stores) {
      KEDGE_TRY(set(k_norm, load_norm(l, b.p + "attn_k_norm.weight", whole ? spec.width_k() : spec.shape.head_dim_k)));
    }
  }
  if (form.sinks) KEDGE_TRY(set(spec.sinks, l.vector(b.p + "attn_sinks.weight", spec.n_heads)));
  announce(spec, c);
  const int gates = form.gated ? q.rows : gate.rows;
  l.takes(spec.width_q() + spec.width_k() + spec.width_v() + spec.width_out() + gates);
  return {};
}

// Norms and rotation of q and, unless it is null, k, in the architecture's order.
void SelfAttention::position(Step& s, float* q_rows, float* k_rows) const {
  const LayerShape& shape = spec.shape;
  const auto norms = [&](float* x, const Norm& norm, int n_heads) {
    if (x == nullptr) return;
    form.qk_norm == QkNorm::kWhole ? s.norm(x, norm, x, n_heads * shape.head_dim_k)
                                   : s.norm_heads(x, norm, n_heads, shape.head_dim_k);
  };
  const auto both = [&] {
    norms(q_rows, q_norm, spec.n_heads);
    norms(k_rows, k_norm, shape.n_kv_heads);
  };
  if (form.qk_norm == QkNorm::kHeads || form.qk_norm == QkNorm::kWhole) both();
  if (form.rope != nullptr) {
    s.rope(q_rows, spec.n_heads, shape.head_dim_k, *form.rope);
    if (k_rows != nullptr) s.rope(k_rows, shape.n_kv_heads, shape.head_dim_k, *form.rope);
  }
  if (form.qk_norm == QkNorm::kHeadsAfter) both();
  if (form.growth == 0) return;
  s.each_row([&](size_t i, int) {
    const int periods = s.parts().position_of(i) / form.growth_context;
    const auto factor = static_cast<float>(1 + double{form.growth} * ordered_log(1.0 + periods));
    s.context().kernels.scale(factor, q_rows + i * to_size(spec.width_q()), spec.width_q());
  });
}

// k and v are null where another layer's are read. gates: [n][n_heads][query, gate], or [n][n_heads][gate].
void SelfAttention::project(Step& s, const float* h, float* q_rows, float* k_rows, float* v_rows, float* gates) const {
  const int d = q.k;
  float* queries = form.gated ? gates : q_rows;
  const Product of_q{q, queries, bq};
  if (k_rows == nullptr) {
    s.multiply(h, d, {of_q});
  } else if (v) {
    s.multiply(h, d, {of_q, {k, k_rows, bk}, {v, v_rows, bv}});
  } else {
    s.multiply(h, d, {of_q, {k, k_rows, bk}});
    s.each_row([&](size_t i, int) {
      std::copy_n(k_rows + i * to_size(spec.width_k()), spec.width_v(), v_rows + i * to_size(spec.width_v()));
    });
  }
  if (gate) s.multiply(h, d, {{gate, gates}});
  if (k_rows != nullptr && form.value_norm) {
    s.norm_heads(v_rows, Norm{}, spec.shape.n_kv_heads, spec.shape.head_dim_v);
  }
  if (!form.gated) return;
  const auto head = to_size(spec.shape.head_dim_k);
  s.each_row([&](size_t i, int) {
    for (size_t j = i * to_size(spec.n_heads); j < (i + 1) * to_size(spec.n_heads); ++j) {
      std::copy_n(gates + j * 2 * head, head, q_rows + j * head);
    }
  });
}

// a *= sigmoid(gates)
void SelfAttention::open(Step& s, const float* gates, float* a) const {
  const KernelTable& kernels = s.context().kernels;
  const int head = spec.shape.head_dim_v;
  const auto pitch = to_size(form.gated ? spec.shape.head_dim_k + head : head);
  const auto first = to_size(form.gated ? spec.shape.head_dim_k : 0);
  s.each_row([&](size_t i, int) {
    for (size_t j = i * to_size(spec.n_heads); j < (i + 1) * to_size(spec.n_heads); ++j) {
      float opened[kMaxHeadDim];
      kernels.activate(Activation::kSigmoid, gates + j * pitch + first, opened, head);
      kernels.mul(opened, a + j * to_size(head), head);
    }
  });
}

void SelfAttention::forward(Step& s, const float* h, float* y) const {
  Scratch t(s);
  float* q_rows = t.take(spec.width_q());                          // [n][n_heads][head_dim_k]
  float* k_rows = spec.stores ? t.take(spec.width_k()) : nullptr;  // [n][n_kv_heads][head_dim_k]
  float* v_rows = spec.stores ? t.take(spec.width_v()) : nullptr;  // [n][n_kv_heads][head_dim_v]
  float* a = t.take(spec.width_out());                             // [n][n_heads][head_dim_v]
  float* gates = form.gated || gate ? t.take(form.gated ? q.rows : gate.rows) : nullptr;
  project(s, h, q_rows, k_rows, v_rows, gates);
  position(s, q_rows, k_rows);
  s.attend(spec, q_rows, k_rows, v_rows, a);
  if (gates != nullptr) open(s, gates, a);
  if (is_last) s.keep_logit_rows(a, spec.width_out());
  if (is_last_source) s.keep_logit_rows_early(a, spec.width_out());
  s.multiply(a, spec.width_out(), {{o, y, bo}});
}

}  // namespace kedge::engine
