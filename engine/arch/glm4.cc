// GLM-4 (0414): norms before and behind attention and feed-forward, half of every head rotated (interleaved), gate and
// up in one matrix. Source: GLM team 2024 (arXiv 2406.12793).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    l.rope(l.config().rope);
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0)},
                                   .gate = FeedForward::Gate::kFused,
                                   .behind_attention = "post_attention_norm",
                                   .behind_ffn = "post_ffw_norm"});
  }
};

}  // namespace

extern constinit const Architecture glm4;
constinit const Architecture glm4 = {.name = "glm4", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
