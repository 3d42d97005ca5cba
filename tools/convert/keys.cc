#include "tools/convert/keys.h"

#include <algorithm>

#include "tools/convert/vocab.h"

namespace kedge::tools::convert {
namespace {

bool among(std::string_view words, std::string_view word) {
  return (" " + std::string(words) + " ").find(" " + std::string(word) + " ") != std::string::npos;
}

Result<int64_t> size_of(Config& config, std::string_view key, int64_t otherwise) {
  return otherwise > 0 ? config.count_or(key, otherwise, 1) : config.count(key);
}

Status head_keys(Conversion& c, const DecoderForm& form) {
  KEDGE_ASSIGN(heads, size_of(c.config, "num_attention_heads", form.otherwise.heads));
  KEDGE_ASSIGN(kv_heads, c.config.count_or("num_key_value_heads",
                                           form.otherwise.kv_heads > 0 ? form.otherwise.kv_heads : heads, 1));
  const int64_t width = c.count_of('D');
  const int64_t usual = form.otherwise.head_dim > 0 ? form.otherwise.head_dim : width / heads;
  KEDGE_ASSIGN(head_dim, c.config.count_or("head_dim", usual, 1));
  c.set_count('N', heads);
  c.set_count('M', kv_heads);
  c.set_count('H', head_dim);
  c.set_count('Q', heads * head_dim);
  c.set_count('K', kv_heads * head_dim);
  c.add("attention.head_count", static_cast<uint32_t>(heads));
  if (form.kv_heads) c.add("attention.head_count_kv", static_cast<uint32_t>(kv_heads));
  c.add("attention.key_length", static_cast<uint32_t>(head_dim));
  c.add("attention.value_length", static_cast<uint32_t>(head_dim));
  return {};
}

Status context_key(Conversion& c, const DecoderForm& form) {
  KEDGE_ASSIGN(context, size_of(c.config, "max_position_embeddings", form.otherwise.context));
  int64_t kept = context;
  if (form.window_limits_context) {
    KEDGE_ASSIGN(uses, c.config.flag_or("use_sliding_window", true));
    KEDGE_ASSIGN(window, c.config.count_or("sliding_window", 0));
    c.config.ignore({"max_window_layers"});
    if (uses && window > 0 && window < context) {
      kept = window;
      c.notes.push_back("context " + std::to_string(context) + " -> " + std::to_string(window) +
                        ": this model attends to the last " + std::to_string(window) + " tokens, for which GGUF's " +
                        c.arch + " has no key");
    }
  }
  c.set_count('P', context);
  c.add("context_length", static_cast<uint32_t>(kept));
  return {};
}

}  // namespace

Status decoder_keys(Conversion& c, const DecoderForm& form) {
  Config& config = c.config;
  KEDGE_ASSIGN(vocab, size_of(config, "vocab_size", form.otherwise.vocab));
  KEDGE_ASSIGN(width, config.count("hidden_size"));
  KEDGE_ASSIGN(layers, config.count("num_hidden_layers"));
  c.set_count('V', vocab);
  c.set_count('D', width);
  c.set_count('L', layers);
  if (form.blocks) c.add("block_count", static_cast<uint32_t>(layers));
  KEDGE_TRY(context_key(c, form));
  c.add("embedding_length", static_cast<uint32_t>(width));
  c.add("vocab_size", static_cast<uint32_t>(vocab));
  if (form.feed_forward) {
    KEDGE_ASSIGN(ff, config.count("intermediate_size"));
    c.set_count('F', ff);
    c.set_count('G', 2 * ff);
    c.add("feed_forward_length", static_cast<uint32_t>(ff));
  }
  KEDGE_TRY(head_keys(c, form));
  KEDGE_ASSIGN(epsilon, config.number_or(form.epsilon, form.layer_norm ? 1e-5 : 1e-6));
  c.add(form.layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
        static_cast<float>(epsilon));
  KEDGE_ASSIGN(activation, config.text_or(form.activation_key, ""));
  if (!activation.empty() && !among(form.activation, activation)) {
    return Error{
        ErrorCode::kUnsupported,
        config.wrong(form.activation_key, std::string("GGUF's ") + c.arch + " has " + form.activation).message};
  }
  return {};
}

Result<TensorRule> output_rule(Conversion& c, const char* flag) {
  const bool there = std::any_of(c.weights.tensors().begin(), c.weights.tensors().end(),
                                 [&](const auto& t) { return c.local_name(t.name) == "lm_head.weight"; });
  KEDGE_ASSIGN(tied, c.config.flag_or(flag, !there));
  if (tied) c.leave_out("lm_head.weight");  // a copy of the embedding, whatever it holds
  return TensorRule{"lm_head.weight", "output.weight", "VD", nullptr, tied};
}

Status check_layer_types(Conversion& c, std::string_view kinds) {
  KEDGE_ASSIGN(types, c.config.texts("layer_types"));
  if (types.empty()) return {};
  for (size_t i = 0; i < std::max(types.size(), kinds.size()); ++i) {
    const std::string_view wanted = i >= kinds.size() ? "" : kinds[i] == 'w' ? "sliding_attention" : "full_attention";
    const std::string_view has = i < types.size() ? std::string_view(types[i]) : "";
    if (has == wanted) continue;
    return Error{ErrorCode::kUnsupported, c.config.name() + ": layer_types has " + in_quotes(has) + " for block " +
                                              std::to_string(i) + ", where GGUF's " + c.arch + " has " +
                                              in_quotes(wanted)};
  }
  return {};
}

std::string every(int64_t layers, int64_t period, char most, char each) {
  std::string kinds(static_cast<size_t>(layers), most);
  for (int64_t i = period - 1; i < layers; i += period) kinds[static_cast<size_t>(i)] = each;
  return kinds;
}

Status expert_keys(Conversion& c, const char* n, const char* used, const char* width) {
  KEDGE_ASSIGN(experts, c.config.count(n));
  KEDGE_ASSIGN(active, c.config.count(used));
  KEDGE_ASSIGN(ff, c.config.count(width));
  c.set_count('E', experts);
  c.set_count('X', ff);
  c.set_count('Y', 2 * ff);
  c.add("expert_count", static_cast<uint32_t>(experts));
  c.add("expert_used_count", static_cast<uint32_t>(active));
  c.add("expert_feed_forward_length", static_cast<uint32_t>(ff));
  return {};
}

Status granite_scales(Conversion& c) {
  for (const auto& [from, to] : {std::pair{"embedding_multiplier", "embedding_scale"},
                                 {"residual_multiplier", "residual_scale"},
                                 {"attention_multiplier", "attention.scale"},
                                 {"logits_scaling", "logit_scale"}}) {
    KEDGE_ASSIGN(scale, c.config.number_or(from, 1));
    if (scale == 0) return c.config.wrong(from, "must not be 0");
    c.add(to, static_cast<float>(scale));
  }
  return {};
}

// How sentence-transformers pools, by GGUF's numbers.
static Status pooling_key(Conversion& c) {
  KEDGE_ASSIGN(given, read_config(c.folder + "/1_Pooling/config.json", "1_Pooling/config.json"));
  if (!given) return {};
  uint32_t pooling = 0;
  for (const auto& [key, value] : {std::pair{"pooling_mode_mean_tokens", uint32_t{1}},
                                   {"pooling_mode_cls_token", uint32_t{2}},
                                   {"pooling_mode_lasttoken", uint32_t{3}}}) {
    KEDGE_ASSIGN(wanted, given->flag_or(key, false));
    if (!wanted) continue;
    if (pooling != 0) return given->wrong(key, "only one way to pool has a counterpart in GGUF");
    pooling = value;
  }
  given->ignore({"word_embedding_dimension", "include_prompt"});
  for (const char* other : {"max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens"}) {
    KEDGE_TRY(given->must_be(std::string("pooling_mode_") + other, false));
  }
  if (pooling != 0) c.add("pooling_type", pooling);
  return given->finish();
}

Status encoder_keys(Conversion& c) {
  KEDGE_TRY(pooling_key(c));
  c.add("attention.causal", false);
  KEDGE_TRY(c.config.must_be("is_decoder", false));
  KEDGE_TRY(c.config.must_be("add_cross_attention", false));
  for (const char* key : {"hidden_act", "hidden_activation"}) {
    KEDGE_ASSIGN(name, c.config.text_or(key, ""));
    // A view: GCC 12 sees an uninitialised string.
    if (std::string_view(name) == "gelu") c.notes.push_back("gelu: readers of GGUF compute its approximation by tanh");
  }
  KEDGE_ASSIGN(types, c.config.count_or("type_vocab_size", 0));
  c.set_count('T', types);
  if (types > 0) c.out.add("tokenizer.ggml.token_type_count", static_cast<uint32_t>(types));
  return {};
}

void text_part(Conversion& c) {
  c.rename("model.language_model.", "model.");
  c.rename("language_model.model.", "model.");
  c.rename("language_model.lm_head.", "lm_head.");
  for (const char* other : {"vision_tower.*", "model.vision_tower.*", "multi_modal_projector.*",
                            "model.multi_modal_projector.*", "visual.*", "model.visual.*"}) {
    c.leave_out(other);
  }
}

std::vector<TensorRule> join(std::initializer_list<std::vector<TensorRule>> tables) {
  std::vector<TensorRule> all;
  for (const auto& table : tables) all.insert(all.end(), table.begin(), table.end());
  return all;
}

std::vector<TensorRule> attention_rules(bool paired, char kind) {
  const TensorForm q = paired ? pair_query_rows : nullptr;
  const TensorForm k = paired ? pair_key_rows : nullptr;
  return {
      {"model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight", "QD", q, false, kind},
      {"model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight", "KD", k, false, kind},
      {"model.layers.#.self_attn.v_proj.weight", "blk.#.attn_v.weight", "KD", nullptr, false, kind},
      {"model.layers.#.self_attn.q_proj.bias", "blk.#.attn_q.bias", "Q", q, true, kind},
      {"model.layers.#.self_attn.k_proj.bias", "blk.#.attn_k.bias", "K", k, true, kind},
      {"model.layers.#.self_attn.v_proj.bias", "blk.#.attn_v.bias", "K", nullptr, true, kind},
      {"model.layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight", "DQ", nullptr, false, kind},
      {"model.layers.#.self_attn.o_proj.bias", "blk.#.attn_output.bias", "D", nullptr, true, kind},
  };
}

std::vector<TensorRule> gated_rules(char kind) {
  return {
      {"model.layers.#.mlp.gate_proj.weight", "blk.#.ffn_gate.weight", "FD", nullptr, false, kind},
      {"model.layers.#.mlp.up_proj.weight", "blk.#.ffn_up.weight", "FD", nullptr, false, kind},
      {"model.layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight", "DF", nullptr, false, kind},
  };
}

}  // namespace kedge::tools::convert
