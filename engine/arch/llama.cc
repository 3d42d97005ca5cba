// Llama 2/3, Mistral and, with experts, Mixtral: RMS norm, grouped-query attention with interleaved rotary positions
// (optionally with rope_freqs divisors or linear/YaRN scaling), SwiGLU feed-forward or a mixture of such experts.
// Source: Touvron et al. 2023 (arXiv 2302.13971), Jiang et al. 2024 (arXiv 2401.04088).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    KEDGE_TRY(l.expert_config());
    KEDGE_ASSIGN(divisors, l.optional_vector("rope_freqs.weight", l.config().rope.n_rot / 2));
    l.rope(l.config().rope, divisors);
    return {};
  }

  Status load(const Block& b) {
    LayerForm form{.attention = {.rope = b.l.rope_at(0)}};
    if (b.c().n_experts > 0) form.mixture.emplace();
    return StandardLayer::load(b, form);
  }
};

}  // namespace

extern constinit const Architecture llama;
constinit const Architecture llama = {.name = "llama", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
