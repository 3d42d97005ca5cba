// Hunyuan (dense): Llama with half-split rotary positions and norms on query and key heads behind the rotation.
// Source: Tencent Hunyuan team 2025, "Hunyuan-7B" (model card and its configuration).
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
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeadsAfter}});
  }
};

}  // namespace

extern constinit const Architecture hunyuan_dense;
constinit const Architecture hunyuan_dense = {.name = "hunyuan-dense", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
