#include "engine/encoder.h"

#include <algorithm>

namespace kedge::engine {

namespace {
size_t to_size(int x) { return static_cast<size_t>(x); }
}  // namespace

Status encoder_config(ModelLoader& l, RopeLayout layout) {
  KEDGE_TRY(l.common_config(layout));
  KEDGE_ASSIGN(causal, l.flag_or("attention.causal", false));
  if (causal) {
    return Error{ErrorCode::kUnsupported, l.file() + ": " + l.key("attention.causal") +
                                              " is true, and this architecture reads in both directions"};
  }
  l.config().both_directions = true;
  return {};
}

Result<int> encoder_reach(ModelLoader& l) {
  KEDGE_ASSIGN(window, l.keys().get_u32_or(l.key("attention.sliding_window"), 0));
  const auto most = static_cast<uint32_t>(l.config().n_ctx_train);
  return static_cast<int>(std::min(window, 2 * most) / 2);
}

LayerForm bert_layer(const Block& b) {
  return {.attention = {.fused = b.l.has(b.p + "attn_qkv.weight"), .both_directions = true},
          .feed_forward = {.activation = Activation::kGeluTanh},
          .gate = FeedForward::Gate::kNone,
          .before_attention = nullptr,
          .behind_attention = "attn_output_norm",
          .before_ffn = nullptr,
          .behind_ffn = "layer_output_norm",
          .layer_norm = true,
          .norm_sums = true};
}

Status TextEmbedding::load(ModelLoader& l, const EncoderForm& given) {
  form = given;
  const ModelConfig& c = l.config();
  KEDGE_TRY(set(tokens, l.matrix("token_embd.weight", c.n_vocab, c.d_model, MatrixUse::kLookup)));
  if (l.has("token_types.weight")) {
    constexpr uint32_t kUsual = 2;
    KEDGE_ASSIGN(n, l.keys().get_u32_or("tokenizer.ggml.token_type_count", kUsual));
    KEDGE_ASSIGN(
        rows, l.matrix("token_types.weight", static_cast<int>(std::min(n, 1u << 16)), c.d_model, MatrixUse::kLookup));
    types.resize(to_size(c.d_model));
    rows.lookup(0, types.data());
  }
  if (form.positions) {
    l.config().most_positions = c.n_ctx_train;
    KEDGE_TRY(set(positions, l.matrix("position_embd.weight", c.n_ctx_train, c.d_model, MatrixUse::kLookup)));
  }
  l.takes(c.d_model);
  return form.of_embedding ? set(norm, load_layer_norm(l, "token_embd_norm.weight", c.d_model)) : Status();
}

void TextEmbedding::forward(Step& s, float* x) const {
  const KernelTable& kernels = s.context().kernels;
  const int d = tokens.k;
  s.embed(tokens, x);
  if (form.embedding_scale != 1) s.scale(form.embedding_scale, x, d);
  Scratch t(s);
  float* at = positions ? t.take(d) : nullptr;
  s.each_row([&](size_t i, int) {
    float* row = x + i * to_size(d);
    if (!types.empty()) kernels.add(types.data(), row, d);
    if (!positions) return;
    positions.lookup(s.parts().position_of(i), at + i * to_size(d));
    kernels.add(at + i * to_size(d), row, d);
  });
  if (form.of_embedding) s.norm(x, norm, x, d);
}

void refuse_logits(Step& s) {
  for (StepPart& part : s.parts().all()) {
    if (part.hidden || part.first_logit_row >= part.n() || !part.status.ok()) continue;
    part.status =
        Error{ErrorCode::kUnsupported, "architecture " + s.context().config.arch +
                                           " is an encoder: it makes vectors of texts (kedge embed), no text"};
  }
}

}  // namespace kedge::engine
