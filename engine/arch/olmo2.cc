// OLMo 2 and 3: norms behind attention and feed-forward instead of before them, and RMS norms over whole query and key
// rows; of OLMo 3 three windowed blocks to a full one, and only the full ones' rotary positions are scaled.
// Source: OLMo team 2025 (arXiv 2501.00656), OLMo 3 (arXiv 2512.13961).
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    KEDGE_ASSIGN(windowed, read_window_pattern(l, 4));
    KEDGE_TRY(l.windows([&](int i) { return windowed[static_cast<size_t>(i)] != 0; }));
    return read_windowed_rope(l, l.config().rope.base);
  }

  Status load(const Block& b) {
    const size_t table = b.shape().window > 0 ? 1 : 0;
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(table), .qk_norm = QkNorm::kWhole},
                                   .before_attention = nullptr,
                                   .behind_attention = "post_attention_norm",
                                   .before_ffn = nullptr,
                                   .behind_ffn = "post_ffw_norm"});
  }
};

}  // namespace

extern constinit const Architecture olmo2;
constinit const Architecture olmo2 = {.name = "olmo2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
