// EXAONE 4: norms behind attention and feed-forward only, and one on every query and key head. With windows (32B) three
// windowed blocks are followed by a full one without positions. Source: LG AI Research 2025 (arXiv 2507.11407).
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    KEDGE_ASSIGN(windowed, read_window_pattern(l, 4));
    return l.windows([&](int i) { return windowed[static_cast<size_t>(i)] != 0; });
  }

  Status load(const Block& b) {
    const bool has_windows = b.l.config().layers[0].window > 0;
    const bool positions = !has_windows || b.shape().window > 0;
    return StandardLayer::load(b,
                               {.attention = {.rope = positions ? b.l.rope_at(0) : nullptr, .qk_norm = QkNorm::kHeads},
                                .before_attention = nullptr,
                                .behind_attention = "post_attention_norm",
                                .before_ffn = nullptr,
                                .behind_ffn = "post_ffw_norm"});
  }
};

}  // namespace

extern constinit const Architecture exaone4;
constinit const Architecture exaone4 = {.name = "exaone4", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
