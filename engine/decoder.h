// The frame of a decoder: embedding, rotary table, layers, final norm and output. An architecture's file has the layer:
//
//   struct Layer {
//     ...                                                        // its weights
//     static Result<RopeTable> configure(ModelLoader& l);        // reads the hyper-parameters
//     Status load(ModelLoader& l, const std::string& p);         // tensors; p is "blk.<i>."
//     void forward(Step& s, const Frame& f, int l) const;        // f.x += what the layer adds
//   };
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/arch.h"
#include "engine/blocks.h"

namespace kedge::engine {

// What all layers of one pass work with.
struct Frame {
  const ModelConfig& c;
  const RopeTable& rope;
  Activations at;  // at.x: the residual stream [n][d_model], in and out of every layer
};

template <class Layer>
class Decoder final : public Network {
 public:
  static Result<std::unique_ptr<Network>> load(ModelLoader& l) {
    auto net = std::make_unique<Decoder>();
    KEDGE_TRY(set(net->rope_, Layer::configure(l)));
    net->c_ = l.config();
    KEDGE_TRY(set(net->ends_, load_ends(l)));
    net->layers_.resize(static_cast<size_t>(net->c_.n_layers));
    for (size_t i = 0; i < net->layers_.size(); ++i) {
      KEDGE_TRY(net->layers_[i].load(l, "blk." + std::to_string(i) + "."));
    }
    return std::unique_ptr<Network>(std::move(net));
  }

  size_t floats_per_row() const override { return Activations::floats_per_row(c_); }

  void forward(Step& s) const override {
    const Frame f{c_, rope_, Activations::take(s, c_)};
    s.embed(ends_.embedding, f.at.x);  // x: [n][d_model]
    for (int l = 0; l < c_.n_layers && !s.stopped(); ++l) layers_[static_cast<size_t>(l)].forward(s, f, l);
    s.norm(f.at.x, ends_.output_norm, f.at.h, c_.d_model);
    s.logits(ends_.output, f.at.h);
  }

 private:
  ModelConfig c_;
  Ends ends_;
  RopeTable rope_;
  std::vector<Layer> layers_;
};

}  // namespace kedge::engine
