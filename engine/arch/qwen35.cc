// Qwen3.5 to 3.8 (dense): three gated delta nets to one attention with a gate on its output, norms on query and key
// heads, a quarter of every head rotated. Source: Qwen team 2026, "Qwen3.5" (model cards and configurations); Yang et
// al. 2024 (arXiv 2412.06464).
#include "engine/arch_keys.h"
#include "engine/hybrid_layer.h"
#include "engine/prediction.h"

namespace kedge::engine::archs {
namespace {

struct Layer : HybridLayer<DeltaNet> {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    KEDGE_TRY(l.leave_out_prediction_blocks());
    KEDGE_TRY(read_rotary_sections(l));
    l.rope(l.config().rope);
    return read_attention_interval(l);
  }

  Status load(const Block& b) {
    const SelfAttentionForm form{.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeads, .gated = true};
    KEDGE_TRY(load_first(b, form, [&](DeltaNet& net) { return net.load(b, true); }));
    KEDGE_TRY(set(before_ffn, load_norm(b.l, b.p + "post_attention_norm.weight", b.c().d_model)));
    return ff.load(b);
  }
};

}  // namespace

extern constinit const Architecture qwen35;
constinit const Architecture qwen35 = {
    .name = "qwen35", .load = Decoder<Layer>::load, .predict = Prediction<Layer>::load};

}  // namespace kedge::engine::archs
