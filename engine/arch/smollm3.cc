// SmolLM3: Llama whose every fourth block has no positions. Source: Bakouch et al. 2025, "SmolLM3" (Hugging Face).
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
    const bool positions = (b.index + 1) % 4 != 0;
    return StandardLayer::load(b, {.attention = {.rope = positions ? b.l.rope_at(0) : nullptr}});
  }
};

}  // namespace

extern constinit const Architecture smollm3;
constinit const Architecture smollm3 = {.name = "smollm3", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
