// LFM2 and LFM2.5: gated short convolutions in most blocks, attention in the others.
#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

// 'a' attention, 'c' convolution; of layer_types, or full_attn_idxs as older configurations have it.
Status read_kinds(Conversion& c) {
  const auto n = static_cast<size_t>(c.count_of('L'));
  KEDGE_ASSIGN(types, c.config.texts("layer_types"));
  c.layer_kinds.assign(n, 'c');
  if (!types.empty()) {
    if (types.size() != n) return c.config.wrong("layer_types", "needs one for every block");
    for (size_t i = 0; i < n; ++i) {
      if (types[i] != "conv" && types[i] != "full_attention") {
        return c.config.wrong("layer_types", "GGUF's lfm2 has conv and full_attention");
      }
      if (types[i] == "full_attention") c.layer_kinds[i] = 'a';
    }
    c.config.ignore({"full_attn_idxs"});
    return {};
  }
  KEDGE_ASSIGN(indices, c.config.numbers("full_attn_idxs"));
  for (const double i : indices) {
    if (i < 0 || i >= static_cast<double>(n))
      return c.config.wrong("full_attn_idxs", "names a block that is not there");
    c.layer_kinds[static_cast<size_t>(i)] = 'a';
  }
  return {};
}

// The width is rounded by rules of its own; the tensors know the outcome.
Status feed_forward_key(Conversion& c) {
  const SafetensorsTensor* up = c.weights.find("model.layers.0.feed_forward.w1.weight");
  if (up == nullptr || up->shape.empty()) {
    return Error{ErrorCode::kNotFound, "tensor 'model.layers.0.feed_forward.w1.weight' is missing"};
  }
  c.set_count('F', up->shape[0]);
  c.add("feed_forward_length", static_cast<uint32_t>(up->shape[0]));
  c.config.ignore({"intermediate_size", "block_*"});
  return {};
}

std::vector<TensorRule> block_rules() {
  return {
      {"model.layers.#.operator_norm.weight", "blk.#.attn_norm.weight", "D"},
      {"model.layers.#.ffn_norm.weight", "blk.#.ffn_norm.weight", "D"},
      {"model.layers.#.feed_forward.w1.weight", "blk.#.ffn_gate.weight", "FD"},
      {"model.layers.#.feed_forward.w3.weight", "blk.#.ffn_up.weight", "FD"},
      {"model.layers.#.feed_forward.w2.weight", "blk.#.ffn_down.weight", "DF"},
      {"model.layers.#.conv.conv.weight", "blk.#.shortconv.conv.weight", "D1T", squeeze, false, 'c'},
      {"model.layers.#.conv.in_proj.weight", "blk.#.shortconv.in_proj.weight", "WD", nullptr, false, 'c'},
      {"model.layers.#.conv.out_proj.weight", "blk.#.shortconv.out_proj.weight", "DD", nullptr, false, 'c'},
      {"model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight", "QD", nullptr, false, 'a'},
      {"model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight", "KD", nullptr, false, 'a'},
      {"model.layers.#.self_attn.v_proj.weight", "blk.#.attn_v.weight", "KD", nullptr, false, 'a'},
      {"model.layers.#.self_attn.out_proj.weight", "blk.#.attn_output.weight", "DQ", nullptr, false, 'a'},
      {"model.layers.#.self_attn.q_layernorm.weight", "blk.#.attn_q_norm.weight", "H", nullptr, false, 'a'},
      {"model.layers.#.self_attn.k_layernorm.weight", "blk.#.attn_k_norm.weight", "H", nullptr, false, 'a'},
  };
}

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c, {.epsilon = "norm_eps", .feed_forward = false, .kv_heads = false}));
  KEDGE_TRY(feed_forward_key(c));
  KEDGE_TRY(read_kinds(c));
  std::vector<int32_t> kv_heads;
  for (const char kind : c.layer_kinds) kv_heads.push_back(kind == 'a' ? static_cast<int32_t>(c.count_of('M')) : 0);
  c.out.add_array<int32_t>(c.arch + ".attention.head_count_kv", kv_heads);
  KEDGE_TRY(rope_keys(c, 1000000, {}));
  KEDGE_TRY(c.config.must_be("conv_bias", false));
  KEDGE_TRY(c.config.must_be("conv_use_xavier_init", true));
  KEDGE_ASSIGN(taps, c.config.count("conv_L_cache"));
  c.set_count('T', taps);
  c.set_count('W', 3 * c.count_of('D'));
  c.add("shortconv.l_cache", static_cast<uint32_t>(taps));
  c.config.ignore({"conv_dim", "conv_dim_out", "use_pos_enc", "theta", "num_heads"});
  KEDGE_ASSIGN(output, output_rule(c, c.config.has("tie_embedding") ? "tie_embedding" : "tie_word_embeddings"));
  c.config.ignore({"tie_embedding", "tie_word_embeddings"});
  return plan_tensors(c,
                      join({{embedding_rule(), {"model.embedding_norm.weight", "token_embd_norm.weight", "D"}, output},
                            block_rules()}));
}

}  // namespace

extern constinit const Family lfm2;
constinit const Family lfm2 = {.model_types = "lfm2", .gguf = "lfm2", .plan = plan};

}  // namespace kedge::tools::convert::families
