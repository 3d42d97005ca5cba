// Gemma 3 (text): norms before and behind attention and feed-forward, one on every query and key head, five windowed
// blocks to a full one, each kind with a rotary base of its own, GELU. Source: Gemma team 2025 (arXiv 2503.19786).
#include <cmath>

#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    ModelConfig& c = l.config();
    KEDGE_TRY(l.windows([](int i) { return (i + 1) % 6 != 0; }));
    l.rope(c.rope);
    KEDGE_TRY(read_windowed_rope(l, 10000.0f));
    KEDGE_TRY(set(c.logit_softcap, l.number_or("final_logit_softcapping", 0)));
    // As in Gemma 2, of the 27B model the file does not say it.
    constexpr int kLayersOf27B = 62;
    if (c.n_layers == kLayersOf27B) c.attention_scale = attention_scale_by_width(c);
    c.embedding_scale = std::sqrt(static_cast<float>(c.d_model));
    return {};
  }

  Status load(const Block& b) {
    const bool full = (b.index + 1) % 6 == 0;
    return StandardLayer::load(
        b, {.attention = {.rope = b.l.rope_at(full ? 0 : 1), .qk_norm = QkNorm::kHeads, .scale = b.c().attention_scale},
            .feed_forward = {.activation = Activation::kGeluTanh},
            .behind_attention = "post_attention_norm",
            .behind_ffn = "post_ffw_norm"});
  }
};

}  // namespace

extern constinit const Architecture gemma3;
constinit const Architecture gemma3 = {.name = "gemma3", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
