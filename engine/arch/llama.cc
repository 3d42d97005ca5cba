// Llama 2/3, Mistral and, with experts, Mixtral: RMS norm, grouped-query attention with interleaved rotary positions
// (optionally with rope_freqs divisors or linear/YaRN scaling), SwiGLU feed-forward or a mixture of such experts.
// Source: Touvron et al. 2023 (arXiv 2302.13971), Jiang et al. 2024 (arXiv 2401.04088).
#include "engine/decoder.h"

namespace kedge::engine::archs {
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

  static Result<RopeTable> configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    KEDGE_TRY(l.expert_config());
    KEDGE_ASSIGN(divisors, l.optional_vector("rope_freqs.weight", l.config().rope.n_rot / 2));
    return make_rope_table(l.config().rope, divisors);
  }

  Status load(ModelLoader& l, const std::string& p) {
    const ModelConfig& c = l.config();
    KEDGE_TRY(set(attn, load_attention(l, p)));
    KEDGE_TRY(set(bq, l.optional_vector(p + "attn_q.bias", attn.q.rows)));
    KEDGE_TRY(set(bk, l.optional_vector(p + "attn_k.bias", attn.k.rows)));
    KEDGE_TRY(set(bv, l.optional_vector(p + "attn_v.bias", attn.v.rows)));
    KEDGE_TRY(set(bo, l.optional_vector(p + "attn_output.bias", attn.o.rows)));
    KEDGE_TRY(set(ffn_norm, l.vector(p + "ffn_norm.weight", c.d_model)));
    if (c.n_experts > 0) return set(experts, load_experts(l, p, true));
    KEDGE_TRY(set(ff, load_feed_forward(l, p)));
    KEDGE_TRY(set(b_gate, l.optional_vector(p + "ffn_gate.bias", ff.gate.rows)));
    KEDGE_TRY(set(b_up, l.optional_vector(p + "ffn_up.bias", ff.up.rows)));
    return set(b_down, l.optional_vector(p + "ffn_down.bias", ff.down.rows));
  }

  void forward(Step& s, const Frame& f, int l) const {
    const ModelConfig& c = f.c;
    const int d = c.d_model;
    const int d_heads = c.n_heads * c.head_dim_v;
    const auto [x, h, q, k, v, a, gate, up] = f.at;
    s.norm(x, attn.norm, h, d);  // x, h: [n][d_model]
    s.multiply(h, d, {{attn.q, q, bq}, {attn.k, k, bk}, {attn.v, v, bv}});
    s.rope(q, c.n_heads, c.head_dim_k, f.rope);     // q: [n][n_heads][head_dim]
    s.rope(k, c.n_kv_heads, c.head_dim_k, f.rope);  // k, v: [n][n_kv_heads][head_dim]
    s.attend(l, q, k, v, a);                        // a: [n][n_heads][head_dim]
    if (l + 1 == c.n_layers) s.keep_logit_rows(a, d_heads, x, d);
    s.multiply(a, d_heads, {{attn.o, h, bo}});
    s.add(h, x, d);
    s.norm(x, ffn_norm, h, d);
    if (c.n_experts > 0) {
      s.experts(experts, h, h);
    } else {
      s.multiply(h, d, {{ff.gate, gate, b_gate}, {ff.up, up, b_up}});  // gate, up: [n][d_ff]
      s.silu_mul(gate, up, gate, c.d_ff);
      s.multiply(gate, c.d_ff, {{ff.down, h, b_down}});
    }
    s.add(h, x, d);
  }
};

}  // namespace

extern constinit const Architecture llama;
constinit const Architecture llama = {.name = "llama", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
