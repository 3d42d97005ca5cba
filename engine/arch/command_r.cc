// Command R and Aya: one LayerNorm without bias for attention and feed-forward, side by side; logits times a scale.
// Source: Cohere 2024, "Command R" (model card), Aryabumi et al. 2024, "Aya 23" (arXiv 2405.15032).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    l.rope(l.config().rope);
    return set(l.config().logit_scale, l.number_or("logit_scale", 1));
  }
  static Result<DecoderForm> form(ModelLoader&) { return DecoderForm{.layer_norm = true}; }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0)}, .layer_norm = true, .parallel = true});
  }
};

}  // namespace

extern constinit const Architecture command_r;
constinit const Architecture command_r = {.name = "command-r", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
