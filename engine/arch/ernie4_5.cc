// ERNIE 4.5 (dense): Llama. Source: Baidu ERNIE team 2025, "ERNIE 4.5 Technical Report".
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    l.rope(l.config().rope);
    return {};
  }

  Status load(const Block& b) { return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0)}}); }
};

}  // namespace

extern constinit const Architecture ernie4_5;
constinit const Architecture ernie4_5 = {.name = "ernie4_5", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
