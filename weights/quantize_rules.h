// Which type each tensor of a model gets when it is quantised. The rules are those of the field (llama.cpp's published
// mixes), kept to one short table.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/result.h"
#include "weights/tensor_store.h"

namespace kedge::weights {

// What a type name given to the quantiser means. A format's own name puts every matrix in that format; a mix (Q4_K_M,
// Q5_K_M) keeps more bits where they matter most.
struct QuantizeMix {
  const char* name;
  const QuantFormat* base;    // everything not named below
  const QuantFormat* more;    // attn_v and ffn_down of a subset of the layers (see uses_more_bits)
  const QuantFormat* output;  // output.weight, or token_embd.weight where the output is tied to it
  const QuantFormat* shared;  // attn_k and attn_v of models with experts: small, and used by every token
  uint32_t file_type;         // general.file_type
};

// kInvalidArgument for an unknown name; the message lists the known ones.
Result<QuantizeMix> find_quantize_mix(std::string_view name);
std::vector<std::string> quantize_type_names();

// First and last eighth of the layers and every third between them.
bool uses_more_bits(int layer, int n_layers);

struct QuantizeChoice {
  const QuantFormat* type;
  std::string note;  // why it is not what was asked for; empty when it is
};

// What the rules need to know of the whole model.
struct QuantizeModel {
  int n_layers;
  bool has_experts;
  bool tied_output;  // no output.weight
};
QuantizeModel describe_for_quantize(const TensorStore& in);

// Type of one tensor. `overrides`: (pattern, type) where `*` stands for any characters; the first that matches wins.
// Vectors, norms, biases, positions and the router of the experts always stay F32, overrides or not.
//   kInvalidArgument  an override names an unknown type, or one whose blocks do not divide the tensor's rows
Result<QuantizeChoice> choose_type(const TensorInfo& tensor, const QuantizeModel& model, const QuantizeMix& mix,
                                   std::span<const std::pair<std::string, std::string>> overrides);

bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace kedge::weights
