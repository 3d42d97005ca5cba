// Ling and Ring 2.0: q, k and v in one matrix, norms on query and key heads, half of every head rotated; experts by
// their sigmoid, chosen with a bias among the best groups, with an ungated one for every token; the first block is
// dense. Source: Ling team 2025 (arXiv 2510.22115).
#include "engine/arch_keys.h"
#include "engine/layer.h"

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
    LayerForm form{.attention = {.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeads, .fused = true}};
    if (has_experts(b.c(), b.index)) {
      form.mixture = MixtureForm{.routing = {.sigmoid = true}, .shared = b.c().d_ff_shared};
    }
    return StandardLayer::load(b, form);
  }
};

}  // namespace

extern constinit const Architecture bailingmoe2;
constinit const Architecture bailingmoe2 = {.name = "bailingmoe2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
