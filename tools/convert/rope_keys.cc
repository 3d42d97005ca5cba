// Rotary positions: how config.json says them, in the two ways it has, and how GGUF does.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "tools/convert/keys.h"

namespace kedge::tools::convert {
namespace {

Status yarn_keys(Conversion& c, Config& p, double factor) {
  KEDGE_ASSIGN(original, p.count_or("original_max_position_embeddings", c.count_of('P'), 1));
  KEDGE_ASSIGN(fast, p.number_or("beta_fast", 32));
  KEDGE_ASSIGN(slow, p.number_or("beta_slow", 1));
  c.add("rope.scaling.original_context_length", static_cast<uint32_t>(original));
  c.add("rope.scaling.yarn_beta_fast", static_cast<float>(fast));
  c.add("rope.scaling.yarn_beta_slow", static_cast<float>(slow));
  // Readers multiply what the file says with the usual magnitude.
  if (p.has("attention_factor")) {
    KEDGE_ASSIGN(magnitude, p.number("attention_factor"));
    c.add("rope.scaling.attn_factor", static_cast<float>(magnitude / (0.1 * std::log(factor) + 1)));
  }
  KEDGE_ASSIGN(truncate, p.flag_or("truncate", true));
  if (!truncate) {
    c.notes.push_back("rope truncate = false: GGUF has no key for it, and readers round YaRN's bounds to whole pairs");
  }
  return {};
}

}  // namespace

Result<Rope> read_rope(Config& config, double base, std::string_view kind) {
  Rope rope;
  KEDGE_ASSIGN(usual, config.number_or("rope_theta", base));
  if (config.has("rope_parameters")) {
    KEDGE_ASSIGN(all, config.object("rope_parameters"));
    rope.parameters = all;
    if (!kind.empty() && all.has(kind)) {
      KEDGE_ASSIGN(own, all.object(kind));
      rope.parameters = own;
    }
  } else {
    KEDGE_ASSIGN(scaling, config.object("rope_scaling"));
    rope.parameters = scaling;
  }
  KEDGE_ASSIGN(theta, rope.parameters.number_or("rope_theta", usual));
  KEDGE_ASSIGN(old_type, rope.parameters.text_or("type", "default"));
  KEDGE_ASSIGN(type, rope.parameters.text_or("rope_type", old_type));
  rope.base = theta;
  rope.type = type;
  if (!(theta > 0)) return config.wrong("rope_theta", "must be positive");
  return rope;
}

Status scaling_keys(Conversion& c, Rope& rope, std::initializer_list<std::string_view> types) {
  if (rope.type == "default") return {};
  if (std::find(types.begin(), types.end(), rope.type) == types.end()) {
    return Error{ErrorCode::kUnsupported, rope.parameters.name() + ": the type " + in_quotes(rope.type) +
                                              " has no counterpart in GGUF's " + c.arch};
  }
  if (rope.type == "llama3") {
    KEDGE_ASSIGN(divisors, llama3_divisors(rope, c.count_of('R')));
    c.add_vector("rope_freqs.weight", std::move(divisors));
    return {};
  }
  KEDGE_ASSIGN(factor, rope.parameters.number("factor"));
  if (!(factor >= 1)) return rope.parameters.wrong("factor", "must be 1 or more");
  c.add_text("rope.scaling.type", rope.type);
  c.add("rope.scaling.factor", static_cast<float>(factor));
  if (rope.type == "yarn") return yarn_keys(c, rope.parameters, factor);
  rope.parameters.ignore({"original_max_position_embeddings"});
  return {};
}

Status rope_keys(Conversion& c, double base, std::initializer_list<std::string_view> types, double rotated_share) {
  KEDGE_ASSIGN(rope, read_rope(c.config, base));
  KEDGE_ASSIGN(outer, c.config.number_or("partial_rotary_factor", rotated_share));
  KEDGE_ASSIGN(share, rope.parameters.number_or("partial_rotary_factor", outer));
  if (!(share > 0 && share <= 1)) return c.config.wrong("partial_rotary_factor", "must be above 0 and at most 1");
  const auto rotated = static_cast<int64_t>(static_cast<double>(c.count_of('H')) * share);
  c.set_count('R', rotated);
  c.add("rope.freq_base", static_cast<float>(rope.base));
  c.add("rope.dimension_count", static_cast<uint32_t>(rotated));
  return scaling_keys(c, rope, types);
}

// In float32 where the models were trained with it: frequencies first, then what they are divided by.
Result<std::vector<float>> llama3_divisors(Rope& rope, int64_t n_rot) {
  Config& p = rope.parameters;
  KEDGE_ASSIGN(factor, p.number("factor"));
  KEDGE_ASSIGN(low, p.number("low_freq_factor"));
  KEDGE_ASSIGN(high, p.number("high_freq_factor"));
  KEDGE_ASSIGN(original, p.count("original_max_position_embeddings"));
  if (!(factor > 0) || !(low > 0) || !(high > low)) return p.wrong("high_freq_factor", "must be above low_freq_factor");
  const auto context = static_cast<double>(original);
  std::vector<float> divisors;
  for (int64_t i = 0; i < n_rot / 2; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(n_rot);
    const double wave = 2 * std::numbers::pi * std::pow(rope.base, exponent);
    double divisor = 1;
    if (wave > context / low) {
      divisor = factor;
    } else if (wave >= context / high) {
      const double smooth = (context / wave - low) / (high - low);
      divisor = 1 / ((1 - smooth) / factor + smooth);
    }
    divisors.push_back(static_cast<float>(divisor));
  }
  return divisors;
}

}  // namespace kedge::tools::convert
