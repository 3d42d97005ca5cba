// A layer that is attention or something recurrent, and then a feed-forward or a mixture of experts.
#pragma once

#include "engine/decoder.h"
#include "engine/recurrent.h"

namespace kedge::engine {

template <class Mixer>
struct HybridLayer {
  bool attends = false;
  Norm before_mixer;
  SelfAttention attention;
  Mixer mixer;
  Norm before_ffn;
  FeedForward ff;
  Mixture mixture;
  float residual_scale = 1;

  // The norm and the attention with this form, where the layer has a cache of its own; otherwise load_mixer().
  template <class Load>
  Status load_first(const Block& b, const SelfAttentionForm& form, Load&& load_mixer) {
    residual_scale = b.c().residual_scale;
    attends = b.shape().n_kv_heads > 0;
    KEDGE_TRY(set(before_mixer, load_norm(b.l, b.p + "attn_norm.weight", b.c().d_model)));
    return attends ? attention.load(b, form) : load_mixer(mixer);
  }

  void forward(Step& s, const Frame& f) const {
    const int d = f.c.d_model;
    s.norm(f.x, before_mixer, f.h, d);
    attends ? attention.forward(s, f.h, f.h) : mixer.forward(s, f.h, f.h);
    add(s, f);
    s.norm(f.x, before_ffn, f.h, d);
    mixture.experts.router ? mixture.forward(s, f.h, f.h) : ff.forward(s, f.h, f.h);
    add(s, f);
  }

 private:
  void add(Step& s, const Frame& f) const {
    residual_scale == 1 ? s.add(f.h, f.x, f.c.d_model) : s.add_scaled(f.h, residual_scale, f.x, f.c.d_model);
  }
};

// Layers but every `interval`th have no cache: the others are full attention.
inline Status read_attention_interval(ModelLoader& l) {
  KEDGE_ASSIGN(interval, l.count_or("full_attention_interval", 4, l.config().n_layers));
  for (int i = 0; i < l.config().n_layers; ++i) {
    if ((i + 1) % interval != 0) l.config().layers[static_cast<size_t>(i)].n_kv_heads = 0;
  }
  return {};
}

}  // namespace kedge::engine
