// Qwen2 and Qwen2.5: RMS norm, grouped-query attention with biases on q, k and v and half-split rotary positions
// (optionally YaRN), SwiGLU feed-forward. Source: Yang et al. 2024 (arXiv 2407.10671).
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
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .biases = true}});
  }
};

}  // namespace

extern constinit const Architecture qwen2;
constinit const Architecture qwen2 = {.name = "qwen2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
