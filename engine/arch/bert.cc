// BERT: positions, token types and a norm with the embedding, LayerNorms of the sums behind attention and feed-forward,
// biases everywhere, GELU. Source: Devlin et al. 2018 (arXiv 1810.04805).
#include "engine/encoder.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) { return encoder_config(l); }
  static Result<EncoderForm> form(ModelLoader&) { return EncoderForm{.positions = true}; }
  Status load(const Block& b) { return StandardLayer::load(b, bert_layer(b)); }
};

}  // namespace

extern constinit const Architecture bert;
constinit const Architecture bert = {.name = "bert", .load = Encoder<Layer>::load};

}  // namespace kedge::engine::archs
