// Hunyuan mixtures of experts: the attention of Hunyuan; experts whose selected weights are made to sum to one, and an
// ungated one for every token. Source: Tencent Hunyuan team 2025, "Hunyuan-A13B Technical Report".
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    KEDGE_TRY(l.some_experts());
    KEDGE_TRY(read_shared_experts(l));
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeadsAfter},
                                   .mixture = MixtureForm{.shared = b.c().d_ff_shared}});
  }
};

}  // namespace

extern constinit const Architecture hunyuan_moe;
constinit const Architecture hunyuan_moe = {.name = "hunyuan-moe", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
