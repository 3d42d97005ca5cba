// Command R7B and Tiny Aya: one LayerNorm without bias for attention and feed-forward, side by side; three windowed
// blocks with rotary positions to a full one without any; logits times a scale. Source: Cohere 2025, "Command A"
// (arXiv 2504.00698).
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    l.rope(l.config().rope);
    KEDGE_ASSIGN(windowed, read_window_pattern(l, 4));
    KEDGE_TRY(l.windows([&](int i) { return windowed[static_cast<size_t>(i)] != 0; }));
    return set(l.config().logit_scale, l.number_or("logit_scale", 1));
  }
  static Result<DecoderForm> form(ModelLoader&) { return DecoderForm{.layer_norm = true}; }

  Status load(const Block& b) {
    KEDGE_ASSIGN(windowed, read_window_pattern(b.l, 4));
    const bool positions = windowed[static_cast<size_t>(b.index)] != 0;
    return StandardLayer::load(
        b, {.attention = {.rope = positions ? b.l.rope_at(0) : nullptr}, .layer_norm = true, .parallel = true});
  }
};

}  // namespace

extern constinit const Architecture cohere2;
constinit const Architecture cohere2 = {.name = "cohere2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
