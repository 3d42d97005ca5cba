// Seed-OSS: Llama with half-split rotary positions and biases on q, k and v; what the file calls post_attention_norm
// stands before the feed-forward. Source: ByteDance Seed 2025, "Seed-OSS-36B" (model card and its configuration).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(
        b, {.attention = {.rope = b.l.rope_at(0), .biases = true}, .before_ffn = "post_attention_norm"});
  }
};

}  // namespace

extern constinit const Architecture seed_oss;
constinit const Architecture seed_oss = {.name = "seed_oss", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
