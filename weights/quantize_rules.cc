#include "weights/quantize_rules.h"

#include <algorithm>
#include <charconv>

#include "kernels/base/names.h"
#include "weights/gguf_format.h"

namespace kedge::weights {

namespace {

// --- the table ------------------------------------------------------------------------------------------------------

struct MixNames {
  const char* name;
  const char* base;
  const char* more;
  const char* output;
  const char* shared;
  uint32_t file_type;
};

// file_type numbers are those of llama.cpp's LLAMA_FTYPE_*, which readers only show.
constexpr MixNames kMixes[] = {
    {"Q4_K_M", "Q4_K", "Q6_K", "Q6_K", "Q8_0", 15},
    {"Q5_K_M", "Q5_K", "Q6_K", "Q6_K", "Q8_0", 17},
    {"F32", "F32", "F32", "F32", "F32", 0},
    {"F16", "F16", "F16", "F16", "F16", 1},
    {"BF16", "BF16", "BF16", "BF16", "BF16", 32},
    {"Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0", 7},
    {"Q6_K", "Q6_K", "Q6_K", "Q6_K", "Q6_K", 18},
    {"Q5_K", "Q5_K", "Q5_K", "Q5_K", "Q5_K", 16},
    {"Q5_1", "Q5_1", "Q5_1", "Q5_1", "Q5_1", 9},
    {"Q5_0", "Q5_0", "Q5_0", "Q5_0", "Q5_0", 8},
    {"Q4_K", "Q4_K", "Q4_K", "Q4_K", "Q4_K", 14},
    {"Q4_1", "Q4_1", "Q4_1", "Q4_1", "Q4_1", 3},
    {"Q4_0", "Q4_0", "Q4_0", "Q4_0", "Q4_0", 2},
    {"IQ4_NL", "IQ4_NL", "IQ4_NL", "IQ4_NL", "IQ4_NL", 25},
    {"IQ4_XS", "IQ4_XS", "IQ4_XS", "IQ4_XS", "IQ4_XS", 30},
    {"MXFP4", "MXFP4", "MXFP4", "MXFP4", "MXFP4", 38},
    {"Q3_K", "Q3_K", "Q3_K", "Q3_K", "Q3_K", 11},
    {"Q2_K", "Q2_K", "Q2_K", "Q2_K", "Q2_K", 10},
};

// Formats the table does not have are written by their own names, with the number llama.cpp gives a type it cannot
// name.
constexpr uint32_t kUnnamedFileType = 1024;

// When rows are no multiple of 256: a type of 32-value blocks with no fewer bits. When not even of 32: F16.
constexpr std::pair<const char*, const char*> kFallbacks[] = {
    {"Q2_K", "Q4_0"}, {"Q3_K", "Q4_0"}, {"Q4_K", "Q5_0"}, {"IQ4_XS", "IQ4_NL"}, {"Q5_K", "Q5_1"}, {"Q6_K", "Q8_0"},
};

// Matrices (by part of the name) that stay F32: small, and a rounding error there reaches everything after it. Taps of
// convolutions have no kernels in other types.
constexpr const char* kAlwaysF32[] = {"_norm.", "ffn_gate_inp", "position_embd",
                                      "_lerp",  "ssm_conv1d.",  "shortconv.conv."};

// --------------------------------------------------------------------------------------------------------------------

bool in_table(const QuantFormat& format) {
  return std::any_of(std::begin(kMixes), std::end(kMixes),
                     [&](const MixNames& m) { return std::string_view(m.name) == format.name; });
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// The number in "blk.<layer>."; -1 elsewhere.
int layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return -1;
  int layer = -1;
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  return error == std::errc() && end != name.data() + name.size() && *end == '.' ? layer : -1;
}

bool stays_f32(const TensorInfo& t) {
  if (t.n_dims < 2 || !t.name.ends_with(".weight")) return true;
  for (const char* part : kAlwaysF32) {
    if (contains(t.name, part)) return true;
  }
  return false;
}

bool fits(const TensorInfo& t, const QuantFormat& f) { return t.row_values() % f.block_values == 0; }

QuantizeChoice fallback(const TensorInfo& t, const QuantFormat& wanted) {
  if (fits(t, wanted)) return {&wanted, ""};
  const QuantFormat* type = find_quant("F16");
  for (const auto& [from, to] : kFallbacks) {
    if (std::string_view(from) == wanted.name && fits(t, *find_quant(to))) type = find_quant(to);
  }
  return {type, "rows of " + std::to_string(t.row_values()) + " values are no multiple of the " +
                    std::to_string(wanted.block_values) + " of " + wanted.name};
}

const QuantFormat& rule(const TensorInfo& t, const QuantizeModel& model, const QuantizeMix& mix) {
  if (t.name == "output.weight" || (model.tied_output && t.name == "token_embd.weight")) return *mix.output;
  const bool value = contains(t.name, "attn_v") || contains(t.name, "attn_qkv") || contains(t.name, "attn_kv_b");
  if (model.has_experts && (contains(t.name, "attn_k") || value)) return *mix.shared;
  const bool more = uses_more_bits(layer_of(t.name), model.n_layers);
  if (more && (value || contains(t.name, "ffn_down"))) return *mix.more;
  return *mix.base;
}

}  // namespace

Result<QuantizeMix> find_quantize_mix(std::string_view name) {
  const QuantFormat* format = find_quant(name);
  for (const MixNames& m : kMixes) {
    const bool same = format != nullptr ? std::string_view(format->name) == m.name : same_name(name, m.name);
    if (same) {
      return QuantizeMix{m.name,     find_quant(m.base), find_quant(m.more), find_quant(m.output), find_quant(m.shared),
                         m.file_type};
    }
  }
  if (format != nullptr && format->quantise != nullptr) {
    return QuantizeMix{format->name, format, format, format, format, kUnnamedFileType};
  }
  if (format != nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string("Kedge reads type ") + format->name + " but does not write it"};
  }
  std::string known;
  for (const std::string& n : quantize_type_names()) known += (known.empty() ? "" : ", ") + n;
  return Error{ErrorCode::kInvalidArgument, "unknown type " + in_quotes(name) + " to quantise to; known: " + known};
}

std::vector<std::string> quantize_type_names() {
  std::vector<std::string> names;
  for (const MixNames& m : kMixes) names.emplace_back(m.name);
  for (const QuantFormat& f : quant_formats()) {
    if (f.quantise != nullptr && !in_table(f)) names.emplace_back(f.name);
  }
  return names;
}

bool uses_more_bits(int layer, int n_layers) {
  if (layer < 0) return false;
  return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

QuantizeModel describe_for_quantize(const TensorStore& in) {
  QuantizeModel model{0, false, in.find("output.weight") == nullptr};
  for (const TensorInfo& t : in.tensors()) {
    model.n_layers = std::max(model.n_layers, layer_of(t.name) + 1);
    model.has_experts = model.has_experts || contains(t.name, "_exps.");
  }
  return model;
}

Result<QuantizeChoice> choose_type(const TensorInfo& tensor, const QuantizeModel& model, const QuantizeMix& mix,
                                   std::span<const std::pair<std::string, std::string>> overrides) {
  if (stays_f32(tensor)) return QuantizeChoice{find_quant("F32"), ""};
  for (const auto& [pattern, type] : overrides) {
    if (!matches_pattern(pattern, tensor.name)) continue;
    const QuantFormat* format = find_quant(type);
    const std::string what = "override " + in_quotes(pattern) + " = " + in_quotes(type) + ": ";
    if (format == nullptr) return Error{ErrorCode::kInvalidArgument, what + "no such tensor type"};
    if (format->quantise == nullptr && format != tensor.type) {
      return Error{ErrorCode::kInvalidArgument, what + "Kedge reads this type but does not write it"};
    }
    if (!fits(tensor, *format)) {
      return Error{ErrorCode::kInvalidArgument, what + "rows of tensor " + in_quotes(tensor.name) + " have " +
                                                    std::to_string(tensor.row_values()) + " values, no multiple of " +
                                                    std::to_string(format->block_values)};
    }
    return QuantizeChoice{format, ""};
  }
  return fallback(tensor, rule(tensor, model, mix));
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0;
  size_t star = std::string_view::npos, resume = 0;  // where the last '*' is, and what it has swallowed so far
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace kedge::weights
