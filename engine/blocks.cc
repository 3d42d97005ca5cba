#include "engine/blocks.h"

#include <algorithm>

namespace kedge::engine {

Result<Ends> load_ends(ModelLoader& l) {
  const ModelConfig& c = l.config();
  const bool tied = !l.has("output.weight");
  KEDGE_ASSIGN(embedding,
               l.matrix("token_embd.weight", c.n_vocab, c.d_model, tied ? MatrixUse::kBoth : MatrixUse::kLookup));
  Ends ends{embedding, embedding, nullptr};
  if (!tied) {
    KEDGE_ASSIGN(output, l.matrix("output.weight", c.n_vocab, c.d_model));
    ends.output = output;
  }
  KEDGE_ASSIGN(norm, l.vector("output_norm.weight", c.d_model));
  ends.output_norm = norm;
  return ends;
}

Result<AttentionWeights> load_attention(ModelLoader& l, const std::string& p) {
  const ModelConfig& c = l.config();
  const int d = c.d_model;
  KEDGE_ASSIGN(norm, l.vector(p + "attn_norm.weight", d));
  KEDGE_ASSIGN(q, l.matrix(p + "attn_q.weight", c.n_heads * c.head_dim_k, d));
  KEDGE_ASSIGN(k, l.matrix(p + "attn_k.weight", c.n_kv_heads * c.head_dim_k, d));
  KEDGE_ASSIGN(v, l.matrix(p + "attn_v.weight", c.n_kv_heads * c.head_dim_v, d));
  KEDGE_ASSIGN(o, l.matrix(p + "attn_output.weight", d, c.n_heads * c.head_dim_v));
  return AttentionWeights{norm, q, k, v, o};
}

Result<FeedForward> load_feed_forward(ModelLoader& l, const std::string& p) {
  const ModelConfig& c = l.config();
  if (c.d_ff == 0) {
    return Error{ErrorCode::kCorrupt, l.file() + ": " + l.key("feed_forward_length") + " is missing"};
  }
  KEDGE_ASSIGN(gate, l.matrix(p + "ffn_gate.weight", c.d_ff, c.d_model));
  KEDGE_ASSIGN(up, l.matrix(p + "ffn_up.weight", c.d_ff, c.d_model));
  KEDGE_ASSIGN(down, l.matrix(p + "ffn_down.weight", c.d_model, c.d_ff));
  return FeedForward{gate, up, down};
}

Result<ExpertLayer> load_experts(ModelLoader& l, const std::string& p, bool normalised) {
  ModelConfig& c = l.config();
  KEDGE_ASSIGN(normalise, l.keys().get_bool_or(l.key("expert_weights_norm"), normalised));
  KEDGE_ASSIGN(router, l.matrix(p + "ffn_gate_inp.weight", c.n_experts, c.d_model));
  KEDGE_ASSIGN(gate, l.experts(p + "ffn_gate_exps.weight", c.n_experts, c.d_ff_expert, c.d_model));
  KEDGE_ASSIGN(up, l.experts(p + "ffn_up_exps.weight", c.n_experts, c.d_ff_expert, c.d_model));
  KEDGE_ASSIGN(down, l.experts(p + "ffn_down_exps.weight", c.n_experts, c.d_model, c.d_ff_expert));
  return ExpertLayer{router, gate, up, down, c.n_experts_used, normalise, c.n_expert_layers++};
}

namespace {
int dense_width(const ModelConfig& c) { return c.n_experts > 0 ? 0 : c.d_ff; }
}  // namespace

size_t Activations::floats_per_row(const ModelConfig& c) {
  const int attention = (c.n_heads + c.n_kv_heads) * (c.head_dim_k + c.head_dim_v);
  return static_cast<size_t>(2 * c.d_model + std::max(attention, 2 * dense_width(c)));
}

Activations Activations::take(Step& s, const ModelConfig& c) {
  Activations t;
  t.x = s.buffer(c.d_model);
  t.h = s.buffer(c.d_model);
  const size_t shared = s.mark();
  t.q = s.buffer(c.n_heads * c.head_dim_k);
  t.k = s.buffer(c.n_kv_heads * c.head_dim_k);
  t.v = s.buffer(c.n_kv_heads * c.head_dim_v);
  t.a = s.buffer(c.n_heads * c.head_dim_v);
  s.rewind(shared);
  t.gate = s.buffer(dense_width(c));
  t.up = s.buffer(dense_width(c));
  return t;
}

}  // namespace kedge::engine
