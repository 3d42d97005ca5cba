// GLM-4.5, 4.6, 4.7: half of every head rotated, norms on query and key heads in some sizes; experts by their sigmoid,
// chosen with a bias, with an ungated one for every token; the first blocks are dense. Source: GLM-4.5 team 2025
// (arXiv 2508.06471).
#include "engine/arch_keys.h"
#include "engine/layer.h"
#include "engine/prediction.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    KEDGE_TRY(l.leave_out_prediction_blocks());
    KEDGE_TRY(l.some_experts());
    KEDGE_TRY(read_shared_experts(l));
    KEDGE_TRY(read_dense_blocks(l));
    return {};
  }

  Status load(const Block& b) {
    const bool normed = b.l.has(b.p + "attn_q_norm.weight");
    LayerForm form{.attention = {.rope = b.l.rope_at(0), .qk_norm = normed ? QkNorm::kHeads : QkNorm::kNone},
                   .before_ffn = "post_attention_norm"};
    if (has_experts(b.c(), b.index)) {
      form.mixture = MixtureForm{.routing = {.sigmoid = true}, .shared = b.c().d_ff_shared};
    }
    return StandardLayer::load(b, form);
  }
};

}  // namespace

extern constinit const Architecture glm4moe;
constinit const Architecture glm4moe = {
    .name = "glm4moe", .load = Decoder<Layer>::load, .predict = Prediction<Layer>::load};

}  // namespace kedge::engine::archs
