// ModernBERT: norms before attention and feed-forward (the first block's attention has none: the embedding has one),
// rotary positions, a full block and two windowed to both sides, each kind with a rotary base of its own, a gated GELU.
// Source: Warner et al. 2024 (arXiv 2412.13663).
#include "engine/arch_keys.h"
#include "engine/encoder.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(encoder_config(l));
    l.rope(l.config().rope);
    return read_windowed_rope(l, 10000.0f);
  }
  static Result<EncoderForm> form(ModelLoader&) { return EncoderForm{.norm = "output_norm.weight"}; }

  Status load(const Block& b) {
    const bool full = b.index % 3 == 0;
    KEDGE_ASSIGN(reach, encoder_reach(b.l));
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(full ? 0 : 1),
                                                 .fused = true,
                                                 .both_directions = true,
                                                 .reach = full ? 0 : reach},
                                   .feed_forward = {.activation = Activation::kGeluTanh},
                                   .gate = FeedForward::Gate::kFused,
                                   .before_attention = b.index == 0 ? nullptr : "attn_norm",
                                   .layer_norm = true});
  }
};

}  // namespace

extern constinit const Architecture modern_bert;
constinit const Architecture modern_bert = {.name = "modern-bert", .load = Encoder<Layer>::load};

}  // namespace kedge::engine::archs
