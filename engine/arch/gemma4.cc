// Gemma 4 (text). Windowed and full blocks with heads of two sizes, values normalised without a weight, scores as they
// are; the last blocks read the keys and values of earlier ones; full blocks may have no values but their keys; a small
// embedding per token and layer that gates a further part of every block (E2B, E4B); a dense feed-forward beside
// experts (26B). Source: Gemma team 2026, "Gemma 4" (model card and its configuration).
#include <cmath>
#include <vector>

#include "engine/arch_keys.h"
#include "engine/decoder.h"

namespace kedge::engine::archs {
namespace {

constexpr int kMaxWidth = 1 << 20;
size_t to_size(int x) { return static_cast<size_t>(x); }

Result<int> per_layer_width(ModelLoader& l) {
  KEDGE_ASSIGN(width, l.keys().get_u32_or(l.key("embedding_length_per_layer_input"), 0));
  if (width > static_cast<uint32_t>(kMaxWidth / l.config().n_layers)) {
    return Error{ErrorCode::kCorrupt,
                 l.file() + ": " + l.key("embedding_length_per_layer_input") + " is " + std::to_string(width)};
  }
  return static_cast<int>(width);
}

// Whose keys and values a layer reads: its own (-1), or those of the last layer of its kind that has any.
Result<int> source_of(ModelLoader& l, const std::vector<uint8_t>& windowed, int layer) {
  const std::vector<LayerShape>& layers = l.config().layers;
  if (layers[to_size(layer)].n_kv_heads > 0) return -1;
  for (int i = layer - 1; i >= 0; --i) {
    if (layers[to_size(i)].n_kv_heads > 0 && windowed[to_size(i)] == windowed[to_size(layer)]) return i;
  }
  return Error{ErrorCode::kCorrupt, l.file() + ": " + l.key("attention.shared_kv_layers") + " leaves layer " +
                                        std::to_string(layer) + " no keys and values to read"};
}

// The experts beside the dense feed-forward. The router reads the residual stream, normalised without a weight, over
// sqrt(d_model), times ffn_gate_inp.scale: together a norm with a weight.
struct ExpertsBeside {
  Norm behind_dense;
  Norm before;
  Mixture mixture;
  std::vector<float> router_scale;  // [d_model]
  Norm behind;

  Status load(const Block& b) {
    ModelLoader& l = b.l;
    const int d = b.c().d_model;
    KEDGE_TRY(set(behind_dense, load_norm(l, b.p + "post_ffw_norm_1.weight", d)));
    KEDGE_TRY(set(before, load_norm(l, b.p + "pre_ffw_norm_2.weight", d)));
    KEDGE_TRY(set(behind, load_norm(l, b.p + "post_ffw_norm_2.weight", d)));
    KEDGE_ASSIGN(scale, l.vector(b.p + "ffn_gate_inp.scale", d));
    router_scale.assign(scale, scale + d);
    for (float& v : router_scale) v /= std::sqrt(static_cast<float>(d));
    l.takes(2 * d);
    return mixture.load(b, {.experts = {.activation = Activation::kGeluTanh},
                            .fused = l.has(b.p + "ffn_gate_up_exps.weight"),
                            .scaled = true});
  }

  // dense: [n][d_model], in and out: what the dense part gave, then the sum of both.
  void forward(Step& s, const float* x, float* dense) const {
    const int d = mixture.experts.router.k;
    Scratch t(s);
    float* h = t.take(d);
    float* route_by = t.take(d);
    s.norm(dense, behind_dense, dense, d);
    s.norm(x, Norm{.weight = router_scale.data()}, route_by, d);
    s.norm(x, before, h, d);
    s.experts(mixture.experts, h, h, route_by);
    s.norm(h, behind, h, d);
    s.add(h, dense, d);
  }
};

struct Layer {
  struct Model {
    int width = 0;      // of a layer's embedding; 0: there are none
    Weight embedding;   // [n_vocab][n_layers * width]
    Weight projection;  // [n_layers * width][d_model]
    Norm norm;          // [width]

    Status load(ModelLoader& l) {
      const ModelConfig& c = l.config();
      KEDGE_TRY(set(width, per_layer_width(l)));
      if (width == 0) return {};
      const int all = c.n_layers * width;
      KEDGE_TRY(set(embedding, l.matrix("per_layer_token_embd.weight", c.n_vocab, all, MatrixUse::kLookup)));
      KEDGE_TRY(set(projection, l.matrix("per_layer_model_proj.weight", all, c.d_model)));
      l.keeps(all);
      l.takes(all);
      return set(norm, load_norm(l, "per_layer_proj_norm.weight", width));
    }
    // f.shared: [n][n_layers][width]
    void begin(Step& s, Frame& f) const {
      if (width == 0) return;
      const int all = f.c.n_layers * width;
      f.shared = s.buffer(all);
      s.live(f.shared, all);
      Scratch t(s);
      float* looked_up = t.take(all);
      s.multiply(f.x, f.c.d_model, {{projection, f.shared}});
      s.scale(1.0f / std::sqrt(static_cast<float>(f.c.d_model)), f.shared, all);
      s.norm_heads(f.shared, norm, f.c.n_layers, width);
      s.embed(embedding, looked_up);
      s.add_scaled(looked_up, std::sqrt(static_cast<float>(width)), f.shared, all);
      s.scale(std::sqrt(0.5f), f.shared, all);
    }
  };

  int index = 0;
  Norm before_attention;
  SelfAttention attention;
  Norm behind_attention;
  Norm before_ffn;
  FeedForward ff;
  ExpertsBeside experts;
  Norm behind_ffn;
  Weight layer_gate;  // [width][d_model] or none
  Weight layer_out;   // [d_model][width]
  Norm behind_layer;
  float scale = 1;  // of the residual stream behind the block

  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    ModelConfig& c = l.config();
    KEDGE_ASSIGN(windowed, read_window_pattern(l, 6));
    KEDGE_TRY(l.windows([&](int i) { return windowed[to_size(i)] != 0; }));
    KEDGE_ASSIGN(head_k, l.count_or("attention.key_length_swa", c.head_dim_k, kMaxHeadDim));
    KEDGE_ASSIGN(head_v, l.count_or("attention.value_length_swa", c.head_dim_v, kMaxHeadDim));
    KEDGE_ASSIGN(shared, l.keys().get_u32_or(l.key("attention.shared_kv_layers"), 0));
    for (int i = 0; i < c.n_layers; ++i) {
      LayerShape& shape = c.layers[to_size(i)];
      if (windowed[to_size(i)] != 0) {
        shape.head_dim_k = head_k;
        shape.head_dim_v = head_v;
      }
      if (shape.head_dim_k != shape.head_dim_v) {
        return Error{ErrorCode::kUnsupported, l.file() + ": " + l.key("attention.key_length") + " and " +
                                                  l.key("attention.value_length") + " differ"};
      }
      if (static_cast<uint32_t>(c.n_layers - i) <= shared) shape.n_kv_heads = 0;
    }
    c.head_dim_k = std::max(c.head_dim_k, head_k);
    c.head_dim_v = std::max(c.head_dim_v, head_v);
    KEDGE_ASSIGN(divisors, l.optional_vector("rope_freqs.weight", c.rope.n_rot / 2));
    l.rope(c.rope, divisors);
    KEDGE_TRY(read_windowed_rope(l, 10000.0f));
    KEDGE_TRY(set(c.logit_softcap, l.number_or("final_logit_softcapping", 0)));
    c.embedding_scale = std::sqrt(static_cast<float>(c.d_model));
    return l.expert_config();
  }

  Status load(const Block& b) {
    ModelLoader& l = b.l;
    const int d = b.c().d_model;
    index = b.index;
    const auto norm = [&](Norm& to, const char* name) { return set(to, load_norm(l, b.p + name + ".weight", d)); };
    KEDGE_ASSIGN(windowed, read_window_pattern(l, 6));
    const bool full = windowed[to_size(index)] == 0;
    KEDGE_ASSIGN(source, source_of(l, windowed, index));
    KEDGE_TRY(norm(before_attention, "attn_norm"));
    KEDGE_TRY(attention.load(b, {.rope = l.rope_at(full ? 0 : 1),
                                 .qk_norm = QkNorm::kHeads,
                                 .source = source,
                                 .value_norm = true,
                                 .may_lack_values = true,
                                 .scale = 1}));
    const auto next = to_size(index) + 1;
    const std::vector<LayerShape>& layers = b.c().layers;
    attention.is_last_source = source < 0 && next < layers.size() && layers[next].n_kv_heads == 0;
    KEDGE_TRY(norm(behind_attention, "post_attention_norm"));
    KEDGE_TRY(norm(before_ffn, "ffn_norm"));
    KEDGE_ASSIGN(widths, l.counts("feed_forward_length", -1, kMaxWidth));
    KEDGE_TRY(ff.load(b, {.activation = Activation::kGeluTanh}, FeedForward::Gate::kOwn, widths[to_size(index)]));
    if (l.has(b.p + "ffn_gate_inp.weight")) KEDGE_TRY(experts.load(b));
    KEDGE_TRY(norm(behind_ffn, "post_ffw_norm"));
    if (l.has(b.p + "layer_output_scale.weight")) KEDGE_TRY(set(scale, l.scalar(b.p + "layer_output_scale.weight")));
    KEDGE_ASSIGN(width, per_layer_width(l));
    if (width == 0) return {};
    KEDGE_TRY(set(layer_gate, l.matrix(b.p + "inp_gate.weight", width, d)));
    KEDGE_TRY(set(layer_out, l.matrix(b.p + "proj.weight", d, width)));
    l.takes(width);
    return norm(behind_layer, "post_norm");
  }

  // x += norm(out(gelu(gate(x)) * the token's embedding for this layer))
  void add_layer_embedding(Step& s, const Frame& f) const {
    const int width = layer_gate.rows;
    Scratch t(s);
    float* gate = t.take(width);
    s.multiply(f.x, f.c.d_model, {{layer_gate, gate}});
    s.each_row([&](size_t i, int) {
      float* row = gate + i * to_size(width);
      const float* embedding = f.shared + (i * to_size(f.c.n_layers) + to_size(index)) * to_size(width);
      s.context().kernels.activate_mul(Activation::kGeluTanh, row, embedding, row, width);
    });
    s.multiply(gate, width, {{layer_out, f.h}});
    s.norm(f.h, behind_layer, f.h, f.c.d_model);
    s.add(f.h, f.x, f.c.d_model);
  }

  void forward(Step& s, const Frame& f) const {
    const int d = f.c.d_model;
    s.norm(f.x, before_attention, f.h, d);
    attention.forward(s, f.h, f.h);
    s.norm(f.h, behind_attention, f.h, d);
    s.add(f.h, f.x, d);
    s.norm(f.x, before_ffn, f.h, d);
    ff.forward(s, f.h, f.h);
    if (experts.mixture.experts.router) experts.forward(s, f.x, f.h);
    s.norm(f.h, behind_ffn, f.h, d);
    s.add(f.h, f.x, d);
    if (layer_gate) add_layer_embedding(s, f);
    if (scale != 1) s.scale(scale, f.x, d);
  }
};

}  // namespace

extern constinit const Architecture gemma4;
constinit const Architecture gemma4 = {.name = "gemma4", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
