// dots.llm1: norms on query and key heads; experts by their sigmoid, chosen with a bias, with ungated ones for every
// token; the first block is dense. Source: rednote-hilab 2025 (arXiv 2506.05767).
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
    KEDGE_TRY(read_dense_blocks(l));
    return {};
  }

  Status load(const Block& b) {
    LayerForm form{.attention = {.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeads}};
    if (has_experts(b.c(), b.index)) {
      form.mixture = MixtureForm{.routing = {.sigmoid = true}, .shared = b.c().d_ff_shared};
    }
    return StandardLayer::load(b, form);
  }
};

}  // namespace

extern constinit const Architecture dots1;
constinit const Architecture dots1 = {.name = "dots1", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
