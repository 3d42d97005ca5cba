// The frame of a decoder: embedding, layers, final norm and output. An architecture's file has the layer:
//
//   struct Layer {
//     ...                                      // its parts (engine/blocks.h)
//     static Status configure(ModelLoader& l);  // reads the hyper-parameters
//     Status load(const Block& b);             // tensors; Block has the layer's number and prefix
//     void forward(Step& s, const Frame& f) const;  // f.x += what the layer adds
//   };
//
// and, where something outside the layers is not as usual, static Result<DecoderForm> form(ModelLoader& l). What
// belongs to no layer is
//
//   struct Layer::Model {
//     Status load(ModelLoader& l);
//     void begin(Step& s, Frame& f) const;  // f.x is the scaled embedding; f.shared may get a buffer for the layers
//   };
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/arch.h"
#include "engine/blocks.h"

namespace kedge::engine {

// What differs between decoders outside the layers.
struct DecoderForm {
  const char* norm = "output_norm.weight";
  bool layer_norm = false;    // the final norm is a LayerNorm
  bool output_bias = false;   // output.bias
  float embedding_scale = 1;  // multiplies what is looked up
};

// Where an architecture has nothing of its own outside the layers.
struct NoModelPart {
  Status load(ModelLoader&) { return {}; }
  void begin(Step&, Frame&) const {}
};
template <class Layer>
struct ModelPartOf {
  using Type = NoModelPart;
};
template <class Layer>
requires requires { typename Layer::Model; }
struct ModelPartOf<Layer> {
  using Type = typename Layer::Model;
};

template <class Layer>
class Decoder final : public Network {
 public:
  static Result<std::unique_ptr<Network>> load(ModelLoader& l) {
    auto net = std::make_unique<Decoder>();
    KEDGE_TRY(Layer::configure(l));
    if constexpr (requires { Layer::form(l); }) KEDGE_TRY(set(net->form_, Layer::form(l)));
    KEDGE_TRY(set(net->ends_, load_ends(l, net->form_.norm, net->form_.layer_norm)));
    const ModelConfig& c = l.config();
    if (net->form_.output_bias) KEDGE_TRY(set(net->ends_.output_bias, l.vector("output.bias", c.n_vocab)));
    l.keeps(2 * c.d_model);
    KEDGE_TRY(net->model_.load(l));
    net->layers_.resize(static_cast<size_t>(c.n_layers));
    for (size_t i = 0; i < net->layers_.size(); ++i) {
      KEDGE_TRY(net->layers_[i].load(Block{l, static_cast<int>(i), "blk." + std::to_string(i) + "."}));
    }
    net->c_ = c;
    net->floats_per_row_ = l.floats_per_row();
    net->ropes_ = l.take_ropes();
    return std::unique_ptr<Network>(std::move(net));
  }

  size_t floats_per_row() const override { return floats_per_row_; }
  const Ends* ends() const override { return &ends_; }

  void forward(Step& s) const override {
    const int d = c_.d_model;
    Frame f{c_, s.buffer(d), s.buffer(d)};
    s.live(f.x, d);
    s.embed(ends_.embedding, f.x);  // x: [n][d_model]
    if (c_.embedding_scale != 1) s.scale(c_.embedding_scale, f.x, d);
    model_.begin(s, f);
    for (size_t l = 0; l < layers_.size() && !s.stopped(); ++l) {
      layers_[l].forward(s, f);
      s.steer(static_cast<int>(l), f.x, d);
    }
    s.keep_logit_rows();
    s.norm(f.x, ends_.norm, f.h, d);
    s.hidden(f.h, d);
    s.logits(ends_.output, f.h, ends_.output_bias);
  }

 private:
  ModelConfig c_;
  DecoderForm form_;
  Ends ends_;
  typename ModelPartOf<Layer>::Type model_;
  std::vector<Layer> layers_;
  std::vector<std::unique_ptr<const RopeTable>> ropes_;
  size_t floats_per_row_ = 0;
};

}  // namespace kedge::engine
