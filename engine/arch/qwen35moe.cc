// Qwen3.5 to 3.8 mixtures of experts: Qwen3.5 (engine/arch/qwen35.cc) with experts in every block whose selected
// weights are made to sum to one, and one for every token behind a sigmoid gate. Source: Qwen team 2026, "Qwen3.5".
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
    KEDGE_TRY(read_rotary_sections(l));
    l.rope(l.config().rope);
    return read_attention_interval(l);
  }

  Status load(const Block& b) {
    const SelfAttentionForm form{.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeads, .gated = true};
    KEDGE_TRY(load_first(b, form, [&](DeltaNet& net) { return net.load(b, true); }));
    KEDGE_TRY(set(before_ffn, load_norm(b.l, b.p + "post_attention_norm.weight", b.c().d_model)));
    return mixture.load(b, {.shared = b.c().d_ff_shared, .shared_is_gated = true});
  }
};

}  // namespace

extern constinit const Architecture qwen35moe;
constinit const Architecture qwen35moe = {
    .name = "qwen35moe", .load = Decoder<Layer>::load, .predict = Prediction<Layer>::load};

}  // namespace kedge::engine::archs
