// AFMoE (Trinity): what attention gives is gated by a matrix of its own; norms before and behind everything and on
// query and key heads; three windowed blocks with rotary positions to a full one without any; experts by their sigmoid,
// chosen with a bias, the first blocks dense. Source: Arcee AI 2025, "Trinity" (model cards and their configuration).
#include <cmath>

#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    KEDGE_ASSIGN(windowed, read_window_pattern(l, 4));
    KEDGE_TRY(l.windows([&](int i) { return windowed[static_cast<size_t>(i)] != 0; }));
    KEDGE_TRY(l.some_experts());
    KEDGE_TRY(read_shared_experts(l));
    KEDGE_TRY(read_dense_blocks(l));
    l.config().embedding_scale = std::sqrt(static_cast<float>(l.config().d_model));
    return {};
  }

  Status load(const Block& b) {
    const bool positions = (b.index + 1) % 4 != 0;
    LayerForm form{
        .attention = {.rope = positions ? b.l.rope_at(0) : nullptr, .qk_norm = QkNorm::kHeads, .gate_matrix = true},
        .behind_attention = "post_attention_norm",
        .behind_ffn = "post_ffw_norm"};
    if (has_experts(b.c(), b.index)) {
      form.mixture = MixtureForm{.routing = {.sigmoid = true, .normalise = false}, .shared = b.c().d_ff_shared};
    }
    return StandardLayer::load(b, form);
  }
};

}  // namespace

extern constinit const Architecture afmoe;
constinit const Architecture afmoe = {.name = "afmoe", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
