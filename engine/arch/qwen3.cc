// Qwen3 (dense): RMS norm, grouped-query attention with an RMS norm on every query and key head and half-split rotary
// positions (optionally YaRN), SwiGLU feed-forward. Source: Yang et al. 2025 (arXiv 2505.09388).
#include <vector>

#include "engine/arch.h"
#include "engine/blocks.h"

namespace kedge::engine::arch_qwen3 {

namespace {

struct Layer {
  AttentionWeights attn;
  const float* q_norm = nullptr;  // [head_dim]
  const float* k_norm = nullptr;
  const float* ffn_norm = nullptr;
  FeedForward ff;
};

class Qwen3 final : public Network {
 public:
  static Result<std::unique_ptr<Network>> load(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    auto net = std::make_unique<Qwen3>();
    net->c_ = l.config();
    KEDGE_ASSIGN(ends, load_ends(l));
    net->ends_ = ends;
    net->rope_ = make_rope_table(net->c_.rope, nullptr);
    for (int i = 0; i < net->c_.n_layers; ++i) {
      KEDGE_ASSIGN(layer, load_layer(l, "blk." + std::to_string(i) + "."));
      net->layers_.push_back(layer);
    }
    return std::unique_ptr<Network>(std::move(net));
  }

  size_t floats_per_row() const override { return Activations::floats_per_row(c_); }

  void forward(Step& s) const override {
    const int d = c_.d_model;
    const int d_heads = c_.n_heads * c_.head_dim_v;
    const auto [x, h, q, k, v, a, gate, up] = Activations::take(s, c_);
    s.embed(ends_.embedding, x);  // x: [n][d_model]
    for (int l = 0; l < c_.n_layers && !s.stopped(); ++l) {
      const Layer& w = layers_[static_cast<size_t>(l)];
      s.norm(x, w.attn.norm, h, d);  // h: [n][d_model]
      s.multiply(h, d, {{w.attn.q, q}, {w.attn.k, k}, {w.attn.v, v}});
      s.norm_heads(q, w.q_norm, c_.n_heads, c_.head_dim_k);
      s.norm_heads(k, w.k_norm, c_.n_kv_heads, c_.head_dim_k);
      s.rope(q, c_.n_heads, c_.head_dim_k, rope_);     // q: [n][n_heads][head_dim]
      s.rope(k, c_.n_kv_heads, c_.head_dim_k, rope_);  // k, v: [n][n_kv_heads][head_dim]
      s.attend(l, q, k, v, a);                         // a: [n][n_heads][head_dim]
      if (l + 1 == c_.n_layers) s.keep_logit_rows(a, d_heads, x, d);
      s.multiply(a, d_heads, {{w.attn.o, h}});
      s.add(h, x, d);
      s.norm(x, w.ffn_norm, h, d);
      s.multiply(h, d, {{w.ff.gate, gate}, {w.ff.up, up}});  // gate, up: [n][d_ff]
      s.silu_mul(gate, up, gate, c_.d_ff);
      s.multiply(gate, c_.d_ff, {{w.ff.down, h}});
      s.add(h, x, d);
    }
    s.norm(x, ends_.output_norm, h, d);
    s.logits(ends_.output, h);
  }

 private:
  static Result<Layer> load_layer(ModelLoader& l, const std::string& p) {
    const ModelConfig& c = l.config();
    Layer w;
    KEDGE_ASSIGN(attn, load_attention(l, p));
    w.attn = attn;
    KEDGE_ASSIGN(q_norm, l.vector(p + "attn_q_norm.weight", c.head_dim_k));
    w.q_norm = q_norm;
    KEDGE_ASSIGN(k_norm, l.vector(p + "attn_k_norm.weight", c.head_dim_k));
    w.k_norm = k_norm;
    KEDGE_ASSIGN(ffn_norm, l.vector(p + "ffn_norm.weight", c.d_model));
    w.ffn_norm = ffn_norm;
    KEDGE_ASSIGN(ff, load_feed_forward(l, p));
    w.ff = ff;
    return w;
  }

  ModelConfig c_;
  Ends ends_;
  RopeTable rope_;
  std::vector<Layer> layers_;
};

}  // namespace

Result<std::unique_ptr<Network>> load(ModelLoader& loader) { return Qwen3::load(loader); }

}  // namespace kedge::engine::arch_qwen3
