// OLMoE: the attention of Llama with RMS norms over whole query and key rows (all heads together), and in every layer
// SwiGLU experts weighed by the router's softmax as it is. Source: Muennighoff et al. 2024 (arXiv 2409.02060).
#include "engine/decoder.h"

namespace kedge::engine::archs {
namespace {

struct Layer {
  AttentionWeights attn;
  const float* q_norm = nullptr;  // [n_heads * head_dim]
  const float* k_norm = nullptr;  // [n_kv_heads * head_dim]
  const float* ffn_norm = nullptr;
  ExpertLayer experts;

  static Result<RopeTable> configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    KEDGE_TRY(l.some_experts());
    return make_rope_table(l.config().rope, nullptr);
  }

  Status load(ModelLoader& l, const std::string& p) {
    const ModelConfig& c = l.config();
    KEDGE_TRY(set(attn, load_attention(l, p)));
    KEDGE_TRY(set(q_norm, l.vector(p + "attn_q_norm.weight", attn.q.rows)));
    KEDGE_TRY(set(k_norm, l.vector(p + "attn_k_norm.weight", attn.k.rows)));
    KEDGE_TRY(set(ffn_norm, l.vector(p + "ffn_norm.weight", c.d_model)));
    return set(experts, load_experts(l, p, false));
  }

  void forward(Step& s, const Frame& f, int l) const {
    const ModelConfig& c = f.c;
    const int d = c.d_model;
    const int d_heads = c.n_heads * c.head_dim_v;
    const auto [x, h, q, k, v, a, gate, up] = f.at;  // gate, up: unused
    s.norm(x, attn.norm, h, d);                      // x, h: [n][d_model]
    s.multiply(h, d, {{attn.q, q}, {attn.k, k}, {attn.v, v}});
    s.norm(q, q_norm, q, c.n_heads * c.head_dim_k);
    s.norm(k, k_norm, k, c.n_kv_heads * c.head_dim_k);
    s.rope(q, c.n_heads, c.head_dim_k, f.rope);     // q: [n][n_heads][head_dim]
    s.rope(k, c.n_kv_heads, c.head_dim_k, f.rope);  // k, v: [n][n_kv_heads][head_dim]
    s.attend(l, q, k, v, a);                        // a: [n][n_heads][head_dim]
    if (l + 1 == c.n_layers) s.keep_logit_rows(a, d_heads, x, d);
    s.multiply(a, d_heads, {{attn.o, h}});
    s.add(h, x, d);
    s.norm(x, ffn_norm, h, d);
    s.experts(experts, h, h);
    s.add(h, x, d);
  }
};

}  // namespace

extern constinit const Architecture olmoe;
constinit const Architecture olmoe = {.name = "olmoe", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
