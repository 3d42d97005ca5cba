#include "engine/latent_attention.h"

#include <algorithm>

namespace kedge::engine {

namespace {
size_t to_size(int x) { return static_cast<size_t>(x); }
}  // namespace

// The keys without "_mla" are of older files, whose attn_kv_b is not cut into the two matrices: they lack attn_k_b.
Result<LatentShape> LatentShape::read(ModelLoader& l) {
  ModelConfig& c = l.config();
  LatentShape s;
  s.n_rot = c.rope.n_rot;
  KEDGE_TRY(set(s.rank, l.count("attention.kv_lora_rank", kMaxHeadDim)));
  KEDGE_ASSIGN(query_rank, l.keys().get_u32_or(l.key("attention.q_lora_rank"), 0));
  if (query_rank > 0) KEDGE_TRY(set(s.query_rank, l.count("attention.q_lora_rank", 1 << 20)));
  KEDGE_TRY(set(s.head_dim_k, l.count("attention.key_length_mla", kMaxHeadDim)));
  KEDGE_TRY(set(s.head_dim_v, l.count("attention.value_length_mla", kMaxHeadDim)));
  if (s.n_rot < 1 || s.n_rot >= s.head_dim_k || s.rank + s.n_rot > kMaxHeadDim) {
    return Error{ErrorCode::kCorrupt, l.file() + ": " + l.key("rope.dimension_count") + " " + std::to_string(s.n_rot) +
                                          " does not fit " + l.key("attention.key_length_mla") + " " +
                                          std::to_string(s.head_dim_k) + " or, with " +
                                          l.key("attention.kv_lora_rank") + " " + std::to_string(s.rank) +
                                          ", keys of " + std::to_string(kMaxHeadDim)};
  }
  c.n_kv_heads = 1;
  c.head_dim_k = s.rank + s.n_rot;
  c.head_dim_v = s.rank;
  for (LayerShape& layer : c.layers) {
    layer = {.n_kv_heads = 1, .head_dim_k = c.head_dim_k, .head_dim_v = c.head_dim_v, .values_in_keys = true};
  }
  return s;
}

Status LatentAttention::load(const Block& b, const LatentShape& given, const RopeTable* table, float scale) {
  ModelLoader& l = b.l;
  ModelConfig& c = l.config();
  const int d = c.d_model;
  shape = given;
  rope = table;
  spec.layer = b.index;
  spec.n_heads = c.n_heads;
  spec.shape = b.shape();
  spec.scale = scale;
  is_last = b.index + 1 == c.n_layers;
  const int n = spec.n_heads;
  const int rows = n * shape.head_dim_k;
  if (shape.query_rank > 0) {
    KEDGE_TRY(set(q_a, l.matrix(b.p + "attn_q_a.weight", shape.query_rank, d)));
    KEDGE_TRY(set(q_a_norm, load_norm(l, b.p + "attn_q_a_norm.weight", shape.query_rank)));
    KEDGE_TRY(set(q, l.matrix(b.p + "attn_q_b.weight", rows, shape.query_rank)));
  } else {
    KEDGE_TRY(set(q, l.matrix(b.p + "attn_q.weight", rows, d)));
  }
  KEDGE_TRY(set(kv_a, l.matrix(b.p + "attn_kv_a_mqa.weight", spec.width_k(), d)));
  KEDGE_TRY(set(kv_a_norm, load_norm(l, b.p + "attn_kv_a_norm.weight", shape.rank)));
  KEDGE_TRY(set(k_b, l.head_matrices(b.p + "attn_k_b.weight", n, shape.rank, shape.head_dim_plain())));
  KEDGE_TRY(set(v_b, l.head_matrices(b.p + "attn_v_b.weight", n, shape.head_dim_v, shape.rank)));
  KEDGE_TRY(set(o, l.matrix(b.p + "attn_output.weight", d, n * shape.head_dim_v)));
  announce(spec, c);
  l.takes(rows + shape.query_rank + spec.width_k() + spec.width_q() +
          n * (std::max(shape.rank, shape.head_dim_plain()) + shape.head_dim_v));
  return {};
}

// q_rows: [n][n_heads][head_dim_k], keys: [n][rank + n_rot], both as far as they can be without the heads' matrices.
void LatentAttention::project(Step& s, const float* h, float* q_rows, float* keys) const {
  const KernelTable& kernels = s.context().kernels;
  const float eps = s.context().config.norm_eps;
  Scratch t(s);
  if (q_a) {
    float* compressed = t.take(shape.query_rank);
    s.multiply(h, q_a.k, {{q_a, compressed}, {kv_a, keys}});
    s.norm(compressed, q_a_norm, compressed, shape.query_rank);
    s.multiply(compressed, shape.query_rank, {{q, q_rows}});
  } else {
    s.multiply(h, q.k, {{q, q_rows}, {kv_a, keys}});
  }
  s.each_row([&](size_t i, int) {
    float* latent = keys + i * to_size(spec.width_k());
    kernels.rms_norm(latent, kv_a_norm.weight, latent, shape.rank, eps);
  });
  s.rope(q_rows, spec.n_heads, shape.head_dim_k, *rope, shape.head_dim_plain());
  s.rope(keys, 1, spec.width_k(), *rope, shape.rank);
}

void LatentAttention::forward(Step& s, const float* h, float* y) const {
  const int n_heads = spec.n_heads;
  const auto head_k = to_size(shape.head_dim_k);
  const auto plain = to_size(shape.head_dim_plain());
  const auto key = to_size(spec.width_k());
  const auto rank = to_size(shape.rank);
  Scratch t(s);
  float* q_rows = t.take(n_heads * shape.head_dim_k);
  float* keys = t.take(spec.width_k());
  float* absorbed = t.take(spec.width_q());                                         // [n][n_heads][rank + n_rot]
  float* latents = t.take(n_heads * std::max(shape.rank, shape.head_dim_plain()));  // [n][n_heads][rank]
  float* a = t.take(n_heads * shape.head_dim_v);                                    // [n][n_heads][head_dim_v]
  project(s, h, q_rows, keys);
  s.multiply_heads({k_b, q_rows, to_size(n_heads) * head_k, head_k, absorbed, to_size(n_heads) * key, key, latents});
  s.each_row([&](size_t i, int) {
    for (size_t e = i * to_size(n_heads); e < (i + 1) * to_size(n_heads); ++e) {
      std::copy_n(q_rows + e * head_k + plain, shape.n_rot, absorbed + e * key + rank);
    }
  });
  s.attend(spec, absorbed, keys, nullptr, latents);
  if (is_last) s.keep_logit_rows(latents, spec.width_out());
  const auto v = to_size(shape.head_dim_v);
  s.multiply_heads({v_b, latents, to_size(n_heads) * rank, rank, a, to_size(n_heads) * v, v, absorbed});
  s.multiply(a, n_heads * shape.head_dim_v, {{o, y}});
}

}  // namespace kedge::engine
