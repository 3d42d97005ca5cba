// Llama without experts, under a name that no file could have. For nothing but the test of additions.
#include "engine/decoder.h"

namespace kedge::engine::archs {
namespace {

struct Layer {
  AttentionWeights attn;
  const float* ffn_norm = nullptr;
  FeedForward ff;

  static Result<RopeTable> configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    return make_rope_table(l.config().rope, nullptr);
  }

  Status load(ModelLoader& l, const std::string& p) {
    const ModelConfig& c = l.config();
    KEDGE_TRY(set(attn, load_attention(l, p)));
    KEDGE_TRY(set(ffn_norm, l.vector(p + "ffn_norm.weight", c.d_model)));
    return set(ff, load_feed_forward(l, p));
  }

  void forward(Step& s, const Frame& f, int l) const {
    const ModelConfig& c = f.c;
    const int d = c.d_model;
    const int d_heads = c.n_heads * c.head_dim_v;
    const auto [x, h, q, k, v, a, gate, up] = f.at;
    s.norm(x, attn.norm, h, d);  // x, h: [n][d_model]
    s.multiply(h, d, {{attn.q, q}, {attn.k, k}, {attn.v, v}});
    s.rope(q, c.n_heads, c.head_dim_k, f.rope);     // q: [n][n_heads][head_dim]
    s.rope(k, c.n_kv_heads, c.head_dim_k, f.rope);  // k, v: [n][n_kv_heads][head_dim]
    s.attend(l, q, k, v, a);                        // a: [n][n_heads][head_dim]
    if (l + 1 == c.n_layers) s.keep_logit_rows(a, d_heads, x, d);
    s.multiply(a, d_heads, {{attn.o, h}});
    s.add(h, x, d);
    s.norm(x, ffn_norm, h, d);
    s.multiply(h, d, {{ff.gate, gate}, {ff.up, up}});  // gate, up: [n][d_ff]
    s.silu_mul(gate, up, gate, c.d_ff);
    s.multiply(gate, c.d_ff, {{ff.down, h}});
    s.add(h, x, d);
  }
};

}  // namespace

extern constinit const Architecture a_new;
constinit const Architecture a_new = {.name = "a-new", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
