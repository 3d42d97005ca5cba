// Nemotron 3: Nemotron-H (engine/arch/nemotron_h.cc) whose feed-forwards are experts by their sigmoid, chosen with a
// bias, with one for every token. Source: NVIDIA 2025, "Nemotron 3 Nano" (model card and its configuration).
#include "engine/arch_keys.h"
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
  Mixture mixture;

  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    KEDGE_TRY(l.some_experts());
    KEDGE_TRY(read_shared_experts(l));
    return {};
  }

  Status load(const Block& b) {
    KEDGE_ASSIGN(widths, b.l.counts("feed_forward_length", 0, 1 << 20));
    const int width = widths[static_cast<size_t>(b.index)];
    if (b.shape().n_kv_heads == 0) kind = width == 0 ? Kind::kMamba : Kind::kFeedForward;
    KEDGE_TRY(set(norm, load_norm(b.l, b.p + "attn_norm.weight", b.c().d_model)));
    if (kind == Kind::kAttention) return attention.load(b, {});
    if (kind == Kind::kMamba) return mamba.load(b);
    return mixture.load(b, {.experts = {.activation = Activation::kReluSquared},
                            .routing = {.sigmoid = true},
                            .gated = false,
                            .shared = b.c().d_ff_shared});
  }

  void forward(Step& s, const Frame& f) const {
    const int d = f.c.d_model;
    s.norm(f.x, norm, f.h, d);
    if (kind == Kind::kAttention) attention.forward(s, f.h, f.h);
    if (kind == Kind::kMamba) mamba.forward(s, f.h, f.h);
    if (kind == Kind::kFeedForward) mixture.forward(s, f.h, f.h);
    s.add(f.h, f.x, d);
  }
};

}  // namespace

extern constinit const Architecture nemotron_h_moe;
constinit const Architecture nemotron_h_moe = {.name = "nemotron_h_moe", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
