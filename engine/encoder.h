// The frame of an encoder: embedding with what is added to it, layers whose rows see all of their text, and maybe a
// norm. It has no output matrix: what comes of a text are vectors (engine/embed.h). An architecture's file has a Layer
// as for a decoder (engine/decoder.h), whose configure() begins with encoder_config(), and
//
//   static Result<EncoderForm> form(ModelLoader& l);
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/arch.h"
#include "engine/blocks.h"
#include "engine/layer.h"

namespace kedge::engine {

struct EncoderForm {
  bool positions = false;      // position_embd is added
  bool of_embedding = true;    // token_embd_norm, a LayerNorm
  const char* norm = nullptr;  // the final norm; null: none
  bool layer_norm = true;      // it is a LayerNorm
  float embedding_scale = 1;   // multiplies what is looked up
};

// The common hyper-parameters, and that the model is an encoder.
Status encoder_config(ModelLoader& l, RopeLayout layout = RopeLayout::kHalfSplit);
// attention.sliding_window is a window on both sides: tokens to either side, 0 for all.
Result<int> encoder_reach(ModelLoader& l);
// token_embd_norm and norms behind the sums, as BERT has them.
LayerForm bert_layer(const Block& b);

// What is looked up, and added to it.
struct TextEmbedding {
  EncoderForm form;
  Weight tokens;             // [n_vocab][d_model]
  std::vector<float> types;  // [d_model]: that of the first token type, or none
  Weight positions;          // [n_ctx_train][d_model] or none
  Norm norm;

  Status load(ModelLoader& l, const EncoderForm& form);
  void forward(Step& s, float* x) const;
};

// The rows of parts that want logits: there are none.
void refuse_logits(Step& s);

template <class Layer>
class Encoder final : public Network {
 public:
  static Result<std::unique_ptr<Network>> load(ModelLoader& l) {
    auto net = std::make_unique<Encoder>();
    KEDGE_TRY(Layer::configure(l));
    KEDGE_ASSIGN(form, Layer::form(l));
    const ModelConfig& c = l.config();
    l.keeps(2 * c.d_model);
    KEDGE_TRY(net->embedding_.load(l, form));
    net->layers_.resize(static_cast<size_t>(c.n_layers));
    for (size_t i = 0; i < net->layers_.size(); ++i) {
      KEDGE_TRY(net->layers_[i].load(Block{l, static_cast<int>(i), "blk." + std::to_string(i) + "."}));
    }
    if (form.norm != nullptr) {
      KEDGE_TRY(set(net->norm_,
                    form.layer_norm ? load_layer_norm(l, form.norm, c.d_model) : load_norm(l, form.norm, c.d_model)));
    }
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
    embedding_.forward(s, f.x);  // x: [n][d_model]
    for (size_t l = 0; l < layers_.size() && !s.stopped(); ++l) {
      layers_[l].forward(s, f);
      s.steer(static_cast<int>(l), f.x, d);
    }
    s.keep_logit_rows();
    if (norm_.weight != nullptr) s.norm(f.x, norm_, f.x, d);
    s.hidden(f.x, d);
    refuse_logits(s);
  }

 private:
  ModelConfig c_;
  TextEmbedding embedding_;
  std::vector<Layer> layers_;
  Norm norm_;
  std::vector<std::unique_ptr<const RopeTable>> ropes_;
  size_t floats_per_row_ = 0;
};

}  // namespace kedge::engine
