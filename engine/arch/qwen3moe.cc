// Qwen3 mixture of experts: the attention of Qwen3, and in every layer SwiGLU experts whose selected weights are made
// to sum to one. Source: Yang et al. 2025 (arXiv 2505.09388).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    KEDGE_TRY(l.some_experts());
    l.rope(l.config().rope);
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(
        b, {.attention = {.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeads}, .mixture = MixtureForm{}});
  }
};

}  // namespace

extern constinit const Architecture qwen3moe;
constinit const Architecture qwen3moe = {.name = "qwen3moe", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
