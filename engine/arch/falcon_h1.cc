// Falcon-H1: in every block attention and Mamba-2 side by side on the same normed input, then a feed-forward.
// Source: Falcon-LLM team 2025 (arXiv 2507.22448).
#include "engine/decoder.h"
#include "engine/recurrent.h"

namespace kedge::engine::archs {
namespace {

struct Layer {
  Norm before_mixers;
  SelfAttention attention;
  Mamba2 mamba;
  Norm before_ffn;
  FeedForward ff;

  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    return {};
  }

  Status load(const Block& b) {
    const int d = b.c().d_model;
    KEDGE_TRY(set(before_mixers, load_norm(b.l, b.p + "attn_norm.weight", d)));
    KEDGE_TRY(attention.load(b, {.rope = b.l.rope_at(0)}));
    KEDGE_TRY(mamba.load(b, b.l.has(b.p + "ssm_norm.weight")));
    b.l.takes(d + mamba.floats());
    const bool bare = b.l.has(b.p + "ffn_norm");  // published files leave ".weight" out
    KEDGE_TRY(set(before_ffn, load_norm(b.l, b.p + (bare ? "ffn_norm" : "ffn_norm.weight"), d)));
    return ff.load(b);
  }

  void forward(Step& s, const Frame& f) const {
    const int d = f.c.d_model;
    s.norm(f.x, before_mixers, f.h, d);
    {
      Scratch t(s);
      float* mixed = t.take(d);
      mamba.forward(s, f.h, mixed);
      s.add(mixed, f.x, d);
    }
    attention.forward(s, f.h, f.h);
    s.add(f.h, f.x, d);
    s.norm(f.x, before_ffn, f.h, d);
    ff.forward(s, f.h, f.h);
    s.add(f.h, f.x, d);
  }
};

}  // namespace

extern constinit const Architecture falcon_h1;
constinit const Architecture falcon_h1 = {.name = "falcon-h1", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
