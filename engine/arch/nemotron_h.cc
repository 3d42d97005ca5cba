// Nemotron-H and Nemotron Nano v2: a block is Mamba-2, attention without positions, or a feed-forward of squared ReLU
// without a gate, as the lists of heads and widths say. Source: NVIDIA 2025 (arXiv 2504.03624).
#include "engine/decoder.h"
#include "engine/recurrent.h"

namespace kedge::engine::archs {
namespace {

struct Layer {
  enum class Kind { kAttention, kMamba, kFeedForward };
  Kind kind = Kind::kAttention;
  Norm norm;
  SelfAttention attention;
  Mamba2 mamba;
  FeedForward ff;

  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    return {};
  }

  Status load(const Block& b) {
    KEDGE_ASSIGN(widths, b.l.counts("feed_forward_length", 0, 1 << 20));
    const int width = widths[static_cast<size_t>(b.index)];
    if (b.shape().n_kv_heads == 0) kind = width == 0 ? Kind::kMamba : Kind::kFeedForward;
    KEDGE_TRY(set(norm, load_norm(b.l, b.p + "attn_norm.weight", b.c().d_model)));
    if (kind == Kind::kAttention) return attention.load(b, {});
    if (kind == Kind::kMamba) return mamba.load(b);
    return ff.load(b, {.activation = Activation::kReluSquared}, FeedForward::Gate::kNone, width);
  }

  void forward(Step& s, const Frame& f) const {
    const int d = f.c.d_model;
    s.norm(f.x, norm, f.h, d);
    if (kind == Kind::kAttention) attention.forward(s, f.h, f.h);
    if (kind == Kind::kMamba) mamba.forward(s, f.h, f.h);
    if (kind == Kind::kFeedForward) ff.forward(s, f.h, f.h);
    s.add(f.h, f.x, d);
  }
};

}  // namespace

extern constinit const Architecture nemotron_h;
constinit const Architecture nemotron_h = {.name = "nemotron_h", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
