// Granite 3 and 4 mixtures of experts: the multipliers of Granite (engine/arch/granite.cc), and in every block SwiGLU
// experts whose selected weights are made to sum to one, with an ungated one for every token where the file has it.
// Source: IBM 2024, "Granite 3.0".
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    l.rope(l.config().rope);
    KEDGE_TRY(l.some_experts());
    KEDGE_TRY(read_granite_scales(l));
    KEDGE_TRY(read_shared_experts(l));
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .scale = b.c().attention_scale},
                                   .mixture = MixtureForm{.shared = b.c().d_ff_shared},
                                   .residual_scale = b.c().residual_scale});
  }
};

}  // namespace

extern constinit const Architecture granitemoe;
constinit const Architecture granitemoe = {.name = "granitemoe", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
