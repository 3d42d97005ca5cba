// Llama 2/3, Mistral and, with experts, Mixtral: RMS norm, grouped-query attention with interleaved rotary positions
// (optionally with rope_freqs divisors or linear/YaRN scaling), SwiGLU feed-forward or a mixture of such experts.
// Source: Touvron et al. 2023 (arXiv 2302.13971), Jiang et al. 2024 (arXiv 2401.04088).
#include <vector>

#include "engine/arch.h"
#include "engine/blocks.h"

namespace kedge::engine::arch_llama {

namespace {

struct Layer {
  AttentionWeights attn;
  const float* bq = nullptr;  // biases: null in most files
  const float* bk = nullptr;
  const float* bv = nullptr;
  const float* bo = nullptr;
  const float* ffn_norm = nullptr;
  FeedForward ff;  // dense
  const float* b_gate = nullptr;
  const float* b_up = nullptr;
  const float* b_down = nullptr;
  ExpertLayer experts;  // instead, when the file has experts
};

class Llama final : public Network {
 public:
  static Result<std::unique_ptr<Network>> load(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    KEDGE_TRY(l.expert_config());
    auto net = std::make_unique<Llama>();
    net->c_ = l.config();
    KEDGE_ASSIGN(ends, load_ends(l));
    net->ends_ = ends;
    KEDGE_ASSIGN(divisors, l.optional_vector("rope_freqs.weight", net->c_.rope.n_rot / 2));
    net->rope_ = make_rope_table(net->c_.rope, divisors);
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
      s.multiply(h, d, {{w.attn.q, q, w.bq}, {w.attn.k, k, w.bk}, {w.attn.v, v, w.bv}});
      s.rope(q, c_.n_heads, c_.head_dim_k, rope_);     // q: [n][n_heads][head_dim]
      s.rope(k, c_.n_kv_heads, c_.head_dim_k, rope_);  // k, v: [n][n_kv_heads][head_dim]
      s.attend(l, q, k, v, a);                         // a: [n][n_heads][head_dim]
      if (l + 1 == c_.n_layers) s.keep_logit_rows(a, d_heads, x, d);
      s.multiply(a, d_heads, {{w.attn.o, h, w.bo}});
      s.add(h, x, d);
      s.norm(x, w.ffn_norm, h, d);
      if (c_.n_experts > 0) {
        s.experts(w.experts, h, h);
      } else {
        s.multiply(h, d, {{w.ff.gate, gate, w.b_gate}, {w.ff.up, up, w.b_up}});  // gate, up: [n][d_ff]
        s.silu_mul(gate, up, gate, c_.d_ff);
        s.multiply(gate, c_.d_ff, {{w.ff.down, h, w.b_down}});
      }
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
    KEDGE_ASSIGN(bq, l.optional_vector(p + "attn_q.bias", attn.q.rows));
    w.bq = bq;
    KEDGE_ASSIGN(bk, l.optional_vector(p + "attn_k.bias", attn.k.rows));
    w.bk = bk;
    KEDGE_ASSIGN(bv, l.optional_vector(p + "attn_v.bias", attn.v.rows));
    w.bv = bv;
    KEDGE_ASSIGN(bo, l.optional_vector(p + "attn_output.bias", attn.o.rows));
    w.bo = bo;
    KEDGE_ASSIGN(ffn_norm, l.vector(p + "ffn_norm.weight", c.d_model));
    w.ffn_norm = ffn_norm;
    if (c.n_experts > 0) {
      KEDGE_ASSIGN(experts, load_experts(l, p, true));
      w.experts = experts;
    } else {
      KEDGE_ASSIGN(ff, load_feed_forward(l, p));
      w.ff = ff;
      KEDGE_ASSIGN(b_gate, l.optional_vector(p + "ffn_gate.bias", ff.gate.rows));
      w.b_gate = b_gate;
      KEDGE_ASSIGN(b_up, l.optional_vector(p + "ffn_up.bias", ff.up.rows));
      w.b_up = b_up;
      KEDGE_ASSIGN(b_down, l.optional_vector(p + "ffn_down.bias", ff.down.rows));
      w.b_down = b_down;
    }
    return w;
  }

  ModelConfig c_;
  Ends ends_;
  RopeTable rope_;
  std::vector<Layer> layers_;
};

}  // namespace

Result<std::unique_ptr<Network>> load(ModelLoader& loader) { return Llama::load(loader); }

}  // namespace kedge::engine::arch_llama
