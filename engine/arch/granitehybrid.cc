// Granite 4 hybrids: Mamba-2, and attention in some blocks, mostly without positions; the multipliers of Granite
// (engine/arch/granite.cc); a feed-forward, or experts with an ungated one for every token. Source: IBM 2025,
// "Granite 4.0" (model cards and configurations).
#include "engine/arch_keys.h"
#include "engine/hybrid_layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : HybridLayer<Mamba2> {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    KEDGE_TRY(l.expert_config());
    KEDGE_TRY(read_granite_scales(l));
    if (l.config().n_experts > 0) KEDGE_TRY(read_shared_experts(l));
    KEDGE_ASSIGN(positions, l.flag_or("rope.scaling.finetuned", true));
    if (positions) l.rope(l.config().rope);
    return {};
  }

  Status load(const Block& b) {
    const SelfAttentionForm form{.rope = b.l.rope_at(0), .scale = b.c().attention_scale};
    KEDGE_TRY(load_first(b, form, [&](Mamba2& mamba) { return mamba.load(b); }));
    KEDGE_TRY(set(before_ffn, load_norm(b.l, b.p + "ffn_norm.weight", b.c().d_model)));
    return b.c().n_experts > 0 ? mixture.load(b, {.shared = b.c().d_ff_shared}) : ff.load(b);
  }
};

}  // namespace

extern constinit const Architecture granitehybrid;
constinit const Architecture granitehybrid = {.name = "granitehybrid", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
