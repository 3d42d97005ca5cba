// EmbeddingGemma: Gemma 3 that reads in both directions, with windows to both sides. Source: Vera et al. 2025 (arXiv
// 2509.20354).
#include <cmath>

#include "engine/arch_keys.h"
#include "engine/encoder.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(encoder_config(l));
    l.rope(l.config().rope);
    return read_windowed_rope(l, 10000.0f);
  }
  static Result<EncoderForm> form(ModelLoader& l) {
    return EncoderForm{.of_embedding = false,
                       .norm = "output_norm.weight",
                       .layer_norm = false,
                       .embedding_scale = std::sqrt(static_cast<float>(l.config().d_model))};
  }

  Status load(const Block& b) {
    const bool full = (b.index + 1) % 6 == 0;
    KEDGE_ASSIGN(reach, encoder_reach(b.l));
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(full ? 0 : 1),
                                                 .qk_norm = QkNorm::kHeads,
                                                 .both_directions = true,
                                                 .reach = full ? 0 : reach},
                                   .feed_forward = {.activation = Activation::kGeluTanh},
                                   .behind_attention = "post_attention_norm",
                                   .behind_ffn = "post_ffw_norm"});
  }
};

}  // namespace

extern constinit const Architecture gemma_embedding;
constinit const Architecture gemma_embedding = {.name = "gemma-embedding", .load = Encoder<Layer>::load};

}  // namespace kedge::engine::archs
