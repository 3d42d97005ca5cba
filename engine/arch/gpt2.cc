// GPT-2: learned positions that are added to the embedding, LayerNorms, q, k and v in one matrix, biases everywhere, a
// feed-forward without a gate (GELU). Source: Radford et al. 2019, "Language Models are Unsupervised Multitask
// Learners".
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  struct Model {
    Weight positions;  // [n_ctx_train][d_model]

    Status load(ModelLoader& l) {
      const ModelConfig& c = l.config();
      l.takes(c.d_model);
      return set(positions, l.matrix("position_embd.weight", c.n_ctx_train, c.d_model, MatrixUse::kLookup));
    }
    void begin(Step& s, Frame& f) const {
      Scratch t(s);
      float* rows = t.take(positions.k);
      s.each_row([&](size_t i, int) {
        positions.lookup(s.parts().position_of(i), rows + i * static_cast<size_t>(positions.k));
      });
      s.add(rows, f.x, positions.k);
    }
  };

  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.config().most_positions = l.config().n_ctx_train;
    return {};
  }
  static Result<DecoderForm> form(ModelLoader&) { return DecoderForm{.layer_norm = true}; }

  Status load(const Block& b) {
    return StandardLayer::load(b, {.attention = {.fused = true, .biases = true},
                                   .feed_forward = {.activation = Activation::kGeluTanh},
                                   .gate = FeedForward::Gate::kNone,
                                   .layer_norm = true});
  }
};

}  // namespace

extern constinit const Architecture gpt2;
constinit const Architecture gpt2 = {.name = "gpt2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
