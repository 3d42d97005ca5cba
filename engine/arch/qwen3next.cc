// Qwen3-Next: as Qwen3.5's mixtures (engine/arch/qwen35moe.cc), with alpha and beta of the delta nets in one matrix and
// value heads that follow their key head. Source: Qwen team 2025, "Qwen3-Next" (model card and its configuration).
#include "engine/arch_keys.h"
#include "engine/hybrid_layer.h"
#include "engine/prediction.h"

namespace kedge::engine::archs {
namespace {

struct Layer : HybridLayer<DeltaNet> {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    KEDGE_TRY(l.leave_out_prediction_blocks());
    KEDGE_TRY(l.some_experts());
    KEDGE_TRY(read_shared_experts(l));
    l.rope(l.config().rope);
    return read_attention_interval(l);
  }

  Status load(const Block& b) {
    const SelfAttentionForm form{.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeads, .gated = true};
    KEDGE_TRY(load_first(b, form, [&](DeltaNet& net) { return net.load(b, false); }));
    KEDGE_TRY(set(before_ffn, load_norm(b.l, b.p + "post_attention_norm.weight", b.c().d_model)));
    return mixture.load(b, {.shared = b.c().d_ff_shared, .shared_is_gated = true});
  }
};

}  // namespace

extern constinit const Architecture qwen3next;
constinit const Architecture qwen3next = {
    .name = "qwen3next", .load = Decoder<Layer>::load, .predict = Prediction<Layer>::load};

}  // namespace kedge::engine::archs
