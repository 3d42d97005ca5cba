// Granite 3 and 4 (dense): Llama with four multipliers: of the embedding, of what blocks add to the residual stream, of
// attention scores instead of 1 / sqrt(head_dim), and a divisor of the logits. Source: IBM 2024, "Granite 3.0".
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    l.rope(l.config().rope);
    KEDGE_TRY(read_granite_scales(l));
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .scale = b.c().attention_scale},
                                   .residual_scale = b.c().residual_scale});
  }
};

}  // namespace

extern constinit const Architecture granite;
constinit const Architecture granite = {.name = "granite", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
