// StarCoder2: LayerNorms, biases everywhere, and a feed-forward without a gate (GELU). Source: Lozhkov et al. 2024
// (arXiv 2402.19173).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    return {};
  }
  static Result<DecoderForm> form(ModelLoader&) { return DecoderForm{.layer_norm = true}; }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .biases = true},
                                   .feed_forward = {.activation = Activation::kGeluTanh},
                                   .gate = FeedForward::Gate::kNone,
                                   .layer_norm = true});
  }
};

}  // namespace

extern constinit const Architecture starcoder2;
constinit const Architecture starcoder2 = {.name = "starcoder2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
