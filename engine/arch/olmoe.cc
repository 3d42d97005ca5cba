// OLMoE: the attention of Llama with RMS norms over whole query and key rows (all heads together), and in every layer
// SwiGLU experts weighed by the router's softmax as it is. Source: Muennighoff et al. 2024 (arXiv 2409.02060).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    KEDGE_TRY(l.some_experts());
    l.rope(l.config().rope);
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .qk_norm = QkNorm::kWhole},
                                   .mixture = MixtureForm{.routing = {.normalise = false}}});
  }
};

}  // namespace

extern constinit const Architecture olmoe;
constinit const Architecture olmoe = {.name = "olmoe", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
