// MiniMax-M2: RMS norms over whole query and key rows, half of every head rotated; experts by their sigmoid, chosen
// with a bias. Source: MiniMax 2025, "MiniMax-M2" (model card and its configuration).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    KEDGE_TRY(l.some_experts());
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .qk_norm = QkNorm::kWhole},
                                   .mixture = MixtureForm{.routing = {.sigmoid = true}}});
  }
};

}  // namespace

extern constinit const Architecture minimax_m2;
constinit const Architecture minimax_m2 = {.name = "minimax-m2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
