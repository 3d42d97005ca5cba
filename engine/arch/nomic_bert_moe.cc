// Nomic Embed 2: BERT with rotary positions, and in every other block experts instead of the feed-forward, weighed by
// the softmax over all of them. Source: Nussbaum and Duderstadt 2025 (arXiv 2502.07972).
#include "engine/encoder.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(encoder_config(l));
    l.rope(l.config().rope);
    KEDGE_TRY(l.some_experts());
    return set(l.config().expert_layer_step, l.count_or("moe_every_n_layers", 1, l.config().n_layers));
  }
  static Result<EncoderForm> form(ModelLoader&) { return EncoderForm{}; }

  Status load(const Block& b) {
    LayerForm form = bert_layer(b);
    form.attention.rope = b.l.rope_at(0);
    if ((b.index + 1) % b.c().expert_layer_step == 0) {
      form.mixture = MixtureForm{.experts = form.feed_forward, .routing = {.normalise = false}, .gated = false};
    }
    return StandardLayer::load(b, form);
  }
};

}  // namespace

extern constinit const Architecture nomic_bert_moe;
constinit const Architecture nomic_bert_moe = {.name = "nomic-bert-moe", .load = Encoder<Layer>::load};

}  // namespace kedge::engine::archs
