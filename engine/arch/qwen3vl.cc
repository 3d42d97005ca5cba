// Qwen3-VL for text: Qwen3. Its rotation has three axes whose positions are one for text, which makes it the ordinary
// one; images are not read. Source: Qwen team 2025 (arXiv 2511.21631).
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    KEDGE_TRY(read_rotary_sections(l));
    KEDGE_ASSIGN(deep, l.keys().get_u32_or(l.key("n_deepstack_layers"), 0));  // of images
    static_cast<void>(deep);
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeads}});
  }
};

}  // namespace

extern constinit const Architecture qwen3vl;
constinit const Architecture qwen3vl = {.name = "qwen3vl", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
