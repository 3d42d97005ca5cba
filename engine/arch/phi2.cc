// Phi-1.5 and Phi-2: one LayerNorm for attention and feed-forward, side by side, biases everywhere, of the output too;
// part of every head rotated, a feed-forward without a gate (GELU). Source: Li et al. 2023 (arXiv 2309.05463).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    return {};
  }
  static Result<DecoderForm> form(ModelLoader&) { return DecoderForm{.layer_norm = true, .output_bias = true}; }

  Status load(const Block& b) {
    return StandardLayer::load(
        b, {.attention = {.rope = b.l.rope_at(0), .fused = b.l.has(b.p + "attn_qkv.weight"), .biases = true},
            .feed_forward = {.activation = Activation::kGeluTanh},
            .gate = FeedForward::Gate::kNone,
            .layer_norm = true,
            .parallel = true});
  }
};

}  // namespace

extern constinit const Architecture phi2;
constinit const Architecture phi2 = {.name = "phi2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
