// ERNIE 4.5 mixtures of experts: Llama's attention; experts by the router's softmax, chosen with a bias, with ungated
// ones for every token; the first blocks are dense. Source: Baidu ERNIE team 2025, "ERNIE 4.5 Technical Report".
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    l.rope(l.config().rope);
    KEDGE_TRY(l.some_experts());
    KEDGE_TRY(read_shared_experts(l));
    KEDGE_TRY(read_dense_blocks(l));
    return {};
  }

  Status load(const Block& b) {
    LayerForm form{.attention = {.rope = b.l.rope_at(0)}};
    if (has_experts(b.c(), b.index)) form.mixture = MixtureForm{.shared = b.c().d_ff_shared};
    return StandardLayer::load(b, form);
  }
};

}  // namespace

extern constinit const Architecture ernie4_5_moe;
constinit const Architecture ernie4_5_moe = {.name = "ernie4_5-moe", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
