// Nomic Embed 1 and 1.5: BERT with rotary positions in place of learned ones, and SwiGLU. Source: Nussbaum et al. 2024
// (arXiv 2402.01613).
#include "engine/encoder.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(encoder_config(l));
    l.rope(l.config().rope);
    return {};
  }
  static Result<EncoderForm> form(ModelLoader&) { return EncoderForm{}; }

  Status load(const Block& b) {
    LayerForm form = bert_layer(b);
    form.attention.rope = b.l.rope_at(0);
    form.feed_forward.activation = Activation::kSilu;
    form.gate = FeedForward::Gate::kOwn;
    return StandardLayer::load(b, form);
  }
};

}  // namespace

extern constinit const Architecture nomic_bert;
constinit const Architecture nomic_bert = {.name = "nomic-bert", .load = Encoder<Layer>::load};

}  // namespace kedge::engine::archs
