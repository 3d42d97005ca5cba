// Phi-3, 3.5, 4 and 4-mini: q, k and v in one matrix, gate and up in one, part of every head rotated; longer contexts
// by frequency factors, of which the context a session is made with decides. Source: Abdin et al. 2024 (arXiv
// 2404.14219).
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    KEDGE_TRY(l.windows([](int) { return true; }));
    return read_long_rope(l);
  }

  Status load(const Block& b) {
    return StandardLayer::load(
        b, {.attention = {.rope = b.l.rope_at(0), .fused = true}, .gate = FeedForward::Gate::kFused});
  }
};

}  // namespace

extern constinit const Architecture phi3;
constinit const Architecture phi3 = {.name = "phi3", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
