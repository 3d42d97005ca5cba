// Gemma 2: norms before and behind attention and feed-forward, soft caps on scores and logits, a window on every other
// block, GELU. Source: Gemma team 2024 (arXiv 2408.00118).
#include <cmath>

#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    KEDGE_TRY(l.windows([](int i) { return i % 2 == 0; }));
    KEDGE_TRY(read_softcaps(l));
    // The file does not say what queries are divided by: sqrt(head_dim), but in the 27B model sqrt(d_model / n_heads).
    constexpr int kLayersOf27B = 46;
    if (l.config().n_layers == kLayersOf27B) l.config().attention_scale = attention_scale_by_width(l.config());
    l.config().embedding_scale = std::sqrt(static_cast<float>(l.config().d_model));
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(
        b, {.attention = {.rope = b.l.rope_at(0), .scale = b.c().attention_scale, .softcap = b.c().attention_softcap},
            .feed_forward = {.activation = Activation::kGeluTanh},
            .behind_attention = "post_attention_norm",
            .behind_ffn = "post_ffw_norm"});
  }
};

}  // namespace

extern constinit const Architecture gemma2;
constinit const Architecture gemma2 = {.name = "gemma2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
