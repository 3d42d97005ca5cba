// Llama without experts, under a name that no file could have. For nothing but the test of additions.
#include "engine/decoder.h"

namespace kedge::engine::archs {
namespace {

struct Layer {
  Norm before_attention;
  SelfAttention attention;
  Norm before_ffn;
  FeedForward ff;

  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    l.rope(l.config().rope);
    return {};
  }

  Status load(const Block& b) {
    const int d = b.c().d_model;
    KEDGE_TRY(set(before_attention, load_norm(b.l, b.p + "attn_norm.weight", d)));
    KEDGE_TRY(attention.load(b, {.rope = b.l.rope_at(0)}));
    KEDGE_TRY(set(before_ffn, load_norm(b.l, b.p + "ffn_norm.weight", d)));
    return ff.load(b);
  }

  void forward(Step& s, const Frame& f) const {
    const int d = f.c.d_model;
    s.norm(f.x, before_attention, f.h, d);
    attention.forward(s, f.h, f.h);
    s.add(f.h, f.x, d);
    s.norm(f.x, before_ffn, f.h, d);
    ff.forward(s, f.h, f.h);
    s.add(f.h, f.x, d);
  }
};

}  // namespace

extern constinit const Architecture a_new;
constinit const Architecture a_new = {.name = "a-new", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
