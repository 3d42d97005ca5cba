// Jamba: Mamba-1 with norms on dt, B and C, attention without positions in some blocks, experts in some, weighed by the
// router's softmax as it is. Source: Lieber et al. 2024 (arXiv 2403.19887).
#include "engine/hybrid_layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : HybridLayer<Mamba1> {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    return l.expert_config();
  }

  Status load(const Block& b) {
    KEDGE_TRY(load_first(b, {}, [&](Mamba1& mamba) { return mamba.load(b, true); }));
    KEDGE_TRY(set(before_ffn, load_norm(b.l, b.p + "ffn_norm.weight", b.c().d_model)));
    const bool experts = b.l.has(b.p + "ffn_gate_inp.weight");
    return experts ? mixture.load(b, {.routing = {.normalise = false}}) : ff.load(b);
  }
};

}  // namespace

extern constinit const Architecture jamba;
constinit const Architecture jamba = {.name = "jamba", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
