// Jina Embeddings 2: BERT whose scores lose with distance (ALiBi) in place of positions, and a gated GELU. Source:
// Guenther et al. 2023 (arXiv 2310.19923).
#include "engine/encoder.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) { return encoder_config(l); }
  static Result<EncoderForm> form(ModelLoader&) { return EncoderForm{}; }

  Status load(const Block& b) {
    LayerForm form = bert_layer(b);
    KEDGE_TRY(set(form.attention.alibi, b.l.number_or("attention.max_alibi_bias", 8.0f)));
    form.gate = FeedForward::Gate::kOwn;
    return StandardLayer::load(b, form);
  }
};

}  // namespace

extern constinit const Architecture jina_bert_v2;
constinit const Architecture jina_bert_v2 = {.name = "jina-bert-v2", .load = Encoder<Layer>::load};

}  // namespace kedge::engine::archs
