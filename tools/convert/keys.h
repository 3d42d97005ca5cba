// Hyper-parameters that many architectures share, from their names in config.json to those in GGUF.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tools/convert/conversion.h"

namespace kedge::tools::convert {

// Of config.json files that leave them out, where their class has a default. 0: needed.
struct DecoderDefaults {
  int64_t vocab = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // 0: as many as heads
  int64_t head_dim = 0;  // 0: width / heads
  int64_t context = 0;
};

struct DecoderForm {
  const char* epsilon = "rms_norm_eps";
  bool layer_norm = false;          // which of GGUF's two names the epsilon gets
  const char* activation = "silu";  // the only hidden_act; several: separated by spaces
  const char* activation_key = "hidden_act";
  // The architecture has no windows in GGUF: with one that is smaller than the context, a text that fits into the
  // window is all that the file can be used for, and the context becomes that.
  bool window_limits_context = false;
  bool feed_forward = true;  // writes its width
  bool kv_heads = true;      // writes how many there are
  bool blocks = true;        // likewise
  DecoderDefaults otherwise = {};
};

// Sizes and keys: hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim,
// intermediate_size, max_position_embeddings, vocab_size, the epsilon.
Status decoder_keys(Conversion& c, const DecoderForm& form = {});

// The output matrix where it is not the embedding: tie_word_embeddings, or else whether the folder has one.
Result<TensorRule> output_rule(Conversion& c, const char* flag = "tie_word_embeddings");

struct Rope {
  double base = 10000;
  std::string type = "default";
  Config parameters;  // of the scaling
};
// rope_parameters, or rope_theta and rope_scaling; `kind` is a layer type that has its own.
Result<Rope> read_rope(Config& config, double base, std::string_view kind = "");
// Writes rope.freq_base, the rotated part of a head and the scaling: of `types` (beside "default") linear, yarn,
// llama3.
Status rope_keys(Conversion& c, double base, std::initializer_list<std::string_view> types, double rotated_share = 1);
Status scaling_keys(Conversion& c, Rope& rope, std::initializer_list<std::string_view> types);
// The divisors of Llama 3's frequencies, for heads of `n_rot` values.
Result<std::vector<float>> llama3_divisors(Rope& rope, int64_t n_rot);

// layer_types has to be what the architecture's blocks are by their number: 'w' windowed, 'f' full.
Status check_layer_types(Conversion& c, std::string_view kinds);
// A letter for every block, 'f' for each `period`th and 'w' for the others.
std::string every(int64_t layers, int64_t period, char most = 'w', char each = 'f');

// num_experts and its like: E, X and their keys. `width`: the member with the experts' width.
Status expert_keys(Conversion& c, const char* n, const char* used, const char* width);

// model_type's wrapper around a text model, vision and audio towers: names and what is left out.
void text_part(Conversion& c);

// Granite's multipliers of embeddings, residuals and attention, and the divisor of its logits.
Status granite_scales(Conversion& c);

// An encoder's: both directions, how its vectors are pooled (1_Pooling/config.json), token types (T).
Status encoder_keys(Conversion& c);

// Rules of several tables in one.
std::vector<TensorRule> join(std::initializer_list<std::vector<TensorRule>> tables);
// q, k, v, o of "model.layers.#.self_attn." with optional biases; `paired`: q and k are put in GGUF's llama layout.
std::vector<TensorRule> attention_rules(bool paired, char kind = 0);
// gate_proj, up_proj, down_proj of "model.layers.#.mlp.", without biases.
std::vector<TensorRule> gated_rules(char kind = 0);

}  // namespace kedge::tools::convert
