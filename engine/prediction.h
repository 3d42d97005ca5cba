// The frame of a block that predicts the token after the next (multi-token prediction; Gloeckle et al. 2024,
// arXiv 2404.19737; DeepSeek-V3, arXiv 2412.19437): a layer like the model's with attention, which reads of every token
// its embedding and the model's hidden state of the token before, and shares embedding and output with the model. Used
// as a draft: what it says is checked by the model itself.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/arch.h"
#include "engine/blocks.h"

namespace kedge::engine {

template <class Layer>
class Prediction final : public Network {
 public:
  // The first of the blocks, with the model's own ends.
  static Result<std::unique_ptr<Network>> load(ModelLoader& l, const Network& model) {
    auto net = std::make_unique<Prediction>();
    KEDGE_TRY(Layer::configure(l));
    KEDGE_ASSIGN(index, l.only_prediction_block());
    const ModelConfig& c = l.config();
    const std::string p = "blk." + std::to_string(index) + ".";
    const std::string own = p + "nextn.";
    net->ends_ = *model.ends();
    KEDGE_TRY(set(net->token_norm_, load_norm(l, own + "enorm.weight", c.d_model)));
    KEDGE_TRY(set(net->state_norm_, load_norm(l, own + "hnorm.weight", c.d_model)));
    KEDGE_TRY(set(net->projection_, l.matrix(own + "eh_proj.weight", c.d_model, 2 * c.d_model)));
    if (l.has(own + "embed_tokens.weight")) {
      KEDGE_TRY(
          set(net->ends_.embedding, l.matrix(own + "embed_tokens.weight", c.n_vocab, c.d_model, MatrixUse::kLookup)));
    }
    if (l.has(own + "shared_head_head.weight")) {
      KEDGE_TRY(set(net->ends_.output, l.matrix(own + "shared_head_head.weight", c.n_vocab, c.d_model)));
    }
    if (l.has(own + "shared_head_norm.weight")) {
      KEDGE_TRY(set(net->ends_.norm, load_norm(l, own + "shared_head_norm.weight", c.d_model)));
    }
    l.keeps(2 * c.d_model);
    l.takes(2 * c.d_model);
    KEDGE_TRY(net->layer_.load(Block{l, 0, p}));
    net->c_ = c;
    net->floats_per_row_ = l.floats_per_row();
    net->ropes_ = l.take_ropes();
    return std::unique_ptr<Network>(std::move(net));
  }

  size_t floats_per_row() const override { return floats_per_row_; }

  void forward(Step& s) const override {
    const int d = c_.d_model;
    Frame f{c_, s.buffer(d), s.buffer(d)};
    s.live(f.x, d);
    {
      Scratch scratch(s);
      float* both = scratch.take(2 * d);
      s.embed(ends_.embedding, f.h);
      s.norm(f.h, token_norm_, f.h, d);
      s.given(f.x, d);
      s.norm(f.x, state_norm_, f.x, d);
      s.join(f.h, f.x, both, d);
      s.multiply(both, 2 * d, {{projection_, f.x}});
    }
    layer_.forward(s, f);
    s.keep_logit_rows();
    s.norm(f.x, ends_.norm, f.h, d);
    s.hidden(f.h, d);
    s.logits(ends_.output, f.h, ends_.output_bias);
  }

 private:
  ModelConfig c_;
  Ends ends_;
  Norm token_norm_;
  Norm state_norm_;
  Weight projection_;  // [d_model][2 * d_model]: of the embedding, then of the state
  Layer layer_;
  std::vector<std::unique_ptr<const RopeTable>> ropes_;
  size_t floats_per_row_ = 0;
};

}  // namespace kedge::engine
