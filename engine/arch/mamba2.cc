// Mamba-2: nothing but its blocks. Source: Dao and Gu 2024 (arXiv 2405.21060).
#include "engine/decoder.h"
#include "engine/recurrent.h"

namespace kedge::engine::archs {
namespace {

struct Layer {
  Norm norm;
  Mamba2 mamba;

  static Status configure(ModelLoader& l) { return l.common_config(RopeLayout::kHalfSplit); }

  Status load(const Block& b) {
    KEDGE_TRY(set(norm, load_norm(b.l, b.p + "attn_norm.weight", b.c().d_model)));
    return mamba.load(b);
  }

  void forward(Step& s, const Frame& f) const {
    s.norm(f.x, norm, f.h, f.c.d_model);
    mamba.forward(s, f.h, f.h);
    s.add(f.h, f.x, f.c.d_model);
  }
};

}  // namespace

extern constinit const Architecture mamba2;
constinit const Architecture mamba2 = {.name = "mamba2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
