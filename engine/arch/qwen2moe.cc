// Qwen1.5 and Qwen2 mixtures of experts: the attention of Qwen2; experts weighed by the router's softmax as it is, and
// one for every token behind a sigmoid gate. Source: Yang et al. 2024 (arXiv 2407.10671).
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
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(
        b, {.attention = {.rope = b.l.rope_at(0), .biases = true},
            .mixture =
                MixtureForm{.routing = {.normalise = false}, .shared = b.c().d_ff_shared, .shared_is_gated = true}});
  }
};

}  // namespace

extern constinit const Architecture qwen2moe;
constinit const Architecture qwen2moe = {.name = "qwen2moe", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
