// Qwen3 (dense): RMS norm, grouped-query attention with an RMS norm on every query and key head and half-split rotary
// positions (optionally YaRN), SwiGLU feed-forward. Source: Yang et al. 2025 (arXiv 2505.09388).
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
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeads}});
  }
};

}  // namespace

extern constinit const Architecture qwen3;
constinit const Architecture qwen3 = {.name = "qwen3", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
