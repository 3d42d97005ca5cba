// Qwen2 and Qwen2.5: RMS norm, grouped-query attention with biases on q, k and v and half-split rotary positions
// (optionally YaRN), SwiGLU feed-forward. Source: Yang et al. 2024 (arXiv 2407.10671).
#include <algorithm>
#include <vector>

#include "engine/arch.h"
#include "engine/loader.h"
#include "engine/step.h"

namespace kedge::arch_qwen2 {

namespace {

struct Layer {
  const float* attn_norm;
  Weight wq, wk, wv, wo;
  const float *bq, *bk, *bv;
  const float* ffn_norm;
  Weight gate, up, down;
};

class Qwen2 final : public Network {
 public:
  static Result<std::unique_ptr<Network>> load(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    const ModelConfig& c = l.config();
    auto net = std::make_unique<Qwen2>();
    net->c_ = c;
    const int d = c.d_model;
    KEDGE_ASSIGN(embedding, l.matrix("token_embd.weight", c.n_vocab, d, l.has("output.weight")));
    net->embedding_ = embedding;
    net->output_ = embedding;  // tied unless the file has its own
    if (l.has("output.weight")) {
      KEDGE_ASSIGN(output, l.matrix("output.weight", c.n_vocab, d));
      net->output_ = output;
    }
    KEDGE_ASSIGN(norm, l.vector("output_norm.weight", d));
    net->output_norm_ = norm;
    net->rope_ = make_rope_table(c.rope, nullptr);
    for (int i = 0; i < c.n_layers; ++i) {
      KEDGE_ASSIGN(layer, load_layer(l, "blk." + std::to_string(i) + "."));
      net->layers_.push_back(layer);
    }
    return std::unique_ptr<Network>(std::move(net));
  }

  size_t floats_per_row() const override {
    const int q = c_.n_heads * c_.head_dim_k;
    const int out = c_.n_heads * c_.head_dim_v;
    const int kv = c_.n_kv_heads * (c_.head_dim_k + c_.head_dim_v);
    return static_cast<size_t>(2 * c_.d_model + std::max(q + out + kv, 2 * c_.d_ff));  // attention and feed-forward share
  }

  void forward(Step& s) const override {
    const int d = c_.d_model;
    float* x = s.buffer(d);                                 // residual stream [n][d_model]
    float* h = s.buffer(d);                                 // normed input, then a sublayer's output
    const size_t scratch = s.mark();
    float* q = s.buffer(c_.n_heads * c_.head_dim_k);        // [n][n_heads][head_dim]
    float* k = s.buffer(c_.n_kv_heads * c_.head_dim_k);     // [n][n_kv_heads][head_dim]
    float* v = s.buffer(c_.n_kv_heads * c_.head_dim_v);
    float* a = s.buffer(c_.n_heads * c_.head_dim_v);        // attention output [n][n_heads][head_dim]
    s.rewind(scratch);                                      // the feed-forward reuses the attention's memory
    float* gate = s.buffer(c_.d_ff);                        // [n][d_ff]
    float* up = s.buffer(c_.d_ff);
    s.embed(embedding_, x);
    for (int l = 0; l < c_.n_layers && !s.stopped(); ++l) {
      const Layer& w = layers_[static_cast<size_t>(l)];
      s.norm(x, w.attn_norm, h, d);
      s.multiply(h, d, {{w.wq, q, w.bq}, {w.wk, k, w.bk}, {w.wv, v, w.bv}});
      s.rope(q, c_.n_heads, c_.head_dim_k, rope_);
      s.rope(k, c_.n_kv_heads, c_.head_dim_k, rope_);
      s.attend(l, q, k, v, a);
      if (l + 1 == c_.n_layers) s.keep_logit_rows(a, c_.n_heads * c_.head_dim_v, x, d);
      s.multiply(a, c_.n_heads * c_.head_dim_v, {{w.wo, h}});
      s.add(h, x, d);
      s.norm(x, w.ffn_norm, h, d);
      s.multiply(h, d, {{w.gate, gate}, {w.up, up}});
      s.silu_mul(gate, up, gate, c_.d_ff);
      s.multiply(gate, c_.d_ff, {{w.down, h}});
      s.add(h, x, d);
    }
    s.norm(x, output_norm_, h, d);
    s.logits(output_, h);
  }

 private:
  static Result<Layer> load_layer(ModelLoader& l, const std::string& p) {
    const ModelConfig& c = l.config();
    const int d = c.d_model;
    const int nq = c.n_heads * c.head_dim_k;
    const int nk = c.n_kv_heads * c.head_dim_k;
    const int nv = c.n_kv_heads * c.head_dim_v;
    KEDGE_ASSIGN(attn_norm, l.vector(p + "attn_norm.weight", d));
    KEDGE_ASSIGN(wq, l.matrix(p + "attn_q.weight", nq, d));
    KEDGE_ASSIGN(wk, l.matrix(p + "attn_k.weight", nk, d));
    KEDGE_ASSIGN(wv, l.matrix(p + "attn_v.weight", nv, d));
    KEDGE_ASSIGN(wo, l.matrix(p + "attn_output.weight", d, c.n_heads * c.head_dim_v));
    KEDGE_ASSIGN(bq, l.vector(p + "attn_q.bias", nq));
    KEDGE_ASSIGN(bk, l.vector(p + "attn_k.bias", nk));
    KEDGE_ASSIGN(bv, l.vector(p + "attn_v.bias", nv));
    KEDGE_ASSIGN(ffn_norm, l.vector(p + "ffn_norm.weight", d));
    KEDGE_ASSIGN(gate, l.matrix(p + "ffn_gate.weight", c.d_ff, d));
    KEDGE_ASSIGN(up, l.matrix(p + "ffn_up.weight", c.d_ff, d));
    KEDGE_ASSIGN(down, l.matrix(p + "ffn_down.weight", d, c.d_ff));
    return Layer{attn_norm, wq, wk, wv, wo, bq, bk, bv, ffn_norm, gate, up, down};
  }

  ModelConfig c_;
  Weight embedding_, output_;
  const float* output_norm_ = nullptr;
  RopeTable rope_;
  std::vector<Layer> layers_;
};

}  // namespace

Result<std::unique_ptr<Network>> load(ModelLoader& loader) { return Qwen2::load(loader); }

}  // namespace kedge::arch_qwen2
