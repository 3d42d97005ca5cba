#include "engine/arch_keys.h"

#include <cmath>

namespace kedge::engine {

namespace {
constexpr int kMaxWidth = 1 << 20;
}  // namespace

Status read_granite_scales(ModelLoader& l) {
  ModelConfig& c = l.config();
  KEDGE_TRY(set(c.embedding_scale, l.number_or("embedding_scale", 1)));
  KEDGE_TRY(set(c.residual_scale, l.number_or("residual_scale", 1)));
  KEDGE_TRY(set(c.attention_scale, l.number_or("attention.scale", 0)));
  KEDGE_ASSIGN(divisor, l.number_or("logit_scale", 1));
  if (c.embedding_scale == 0) c.embedding_scale = 1;  // 0: the key says that there is none
  if (c.residual_scale == 0) c.residual_scale = 1;
  c.logit_scale = divisor == 0 ? 1.0f : 1.0f / divisor;
  return {};
}

Status read_softcaps(ModelLoader& l) {
  ModelConfig& c = l.config();
  KEDGE_TRY(set(c.attention_softcap, l.number_or("attn_logit_softcapping", 0)));
  return set(c.logit_softcap, l.number_or("final_logit_softcapping", 0));
}

float attention_scale_by_width(const ModelConfig& c) {
  return 1.0f / std::sqrt(static_cast<float>(c.d_model) / static_cast<float>(c.n_heads));
}

Result<std::vector<uint8_t>> read_window_pattern(ModelLoader& l, int period) {
  const std::string name = l.key("attention.sliding_window_pattern");
  const auto n = static_cast<size_t>(l.config().n_layers);
  const GgufEntry* entry = l.keys().find(name);
  if (entry != nullptr && entry->is_array()) return l.keys().get_bool_per_layer(name, static_cast<uint32_t>(n));
  KEDGE_ASSIGN(given, l.keys().get_u32_or(name, static_cast<uint32_t>(period)));
  std::vector<uint8_t> windowed(n, 1);
  for (size_t i = 0; i < n && given > 0; ++i) windowed[i] = (i + 1) % given != 0;
  return windowed;
}

Status read_windowed_rope(ModelLoader& l, float base) {
  RopeConfig windowed;
  windowed.layout = l.config().rope.layout;
  KEDGE_TRY(set(windowed.base, l.number_or("rope.freq_base_swa", base)));
  KEDGE_TRY(set(windowed.n_rot, l.count_or("rope.dimension_count_swa", l.config().rope.n_rot, kMaxHeadDim)));
  if (!(windowed.base > 0) || windowed.n_rot % 2 != 0) {
    return Error{ErrorCode::kCorrupt, l.file() + ": " + l.key("rope.freq_base_swa") + " must be positive and " +
                                          l.key("rope.dimension_count_swa") + " even"};
  }
  l.rope(windowed);
  return {};
}

Status read_rotary_sections(ModelLoader& l) {
  const std::string name = l.key("rope.dimension_sections");
  if (!l.keys().has(name)) return {};
  KEDGE_ASSIGN(sections, l.keys().get_i32s(name));
  int dealt = 0;
  for (const int32_t n : sections) dealt += n;
  // Pairs outside all sections would not rotate.
  if (sections.size() != 4 || sections[3] != 0 || dealt != l.config().rope.n_rot / 2) {
    return Error{ErrorCode::kUnsupported, l.file() + ": " + name + " do not cover the " +
                                              std::to_string(l.config().rope.n_rot / 2) + " rotated pairs"};
  }
  return {};
}

Status read_long_rope(ModelLoader& l) {
  ModelConfig& c = l.config();
  if (c.rope.scaling != RopeScaling::kLong) {
    l.rope(c.rope);
    return {};
  }
  const int pairs = c.rope.n_rot / 2;
  KEDGE_ASSIGN(near, l.vector("rope_factors_short.weight", pairs));
  KEDGE_ASSIGN(far, l.vector("rope_factors_long.weight", pairs));
  c.long_context_beyond = c.rope.original_context;
  l.rope(c.rope, near, far);
  return {};
}

Result<float> read_yarn_log_multiplier(ModelLoader& l) {
  KEDGE_ASSIGN(multiplier, l.number_or("rope.scaling.yarn_log_multiplier", 0));
  if (multiplier < 0 || multiplier > 10 || (multiplier != 0 && l.config().rope.scaling != RopeScaling::kYarn)) {
    return Error{ErrorCode::kUnsupported, l.file() + ": " + l.key("rope.scaling.yarn_log_multiplier") + " is " +
                                              std::to_string(multiplier) + ", must be 0 to 10, with yarn scaling"};
  }
  return multiplier;
}

Status read_shared_experts(ModelLoader& l) {
  ModelConfig& c = l.config();
  KEDGE_ASSIGN(n, l.keys().get_u32_or(l.key("expert_shared_count"), 0));
  KEDGE_ASSIGN(width, l.keys().get_u32_or(l.key("expert_shared_feed_forward_length"), 0));
  const uint64_t all = width != 0 ? width : uint64_t{n} * static_cast<uint64_t>(c.d_ff_expert);
  if (all > kMaxWidth) {
    return Error{ErrorCode::kCorrupt, l.file() + ": shared experts of " + std::to_string(all) + " rows"};
  }
  c.d_ff_shared = static_cast<int>(all);
  return {};
}

Status read_dense_blocks(ModelLoader& l) {
  ModelConfig& c = l.config();
  KEDGE_ASSIGN(dense, l.keys().get_u32_or(l.key("leading_dense_block_count"), 0));
  KEDGE_ASSIGN(step, l.keys().get_u32_or(l.key("interleave_moe_layer_step"), 1));
  if (dense > static_cast<uint32_t>(c.n_layers) || step > static_cast<uint32_t>(c.n_layers)) {
    return Error{ErrorCode::kCorrupt, l.file() + ": " + l.key("leading_dense_block_count") + " or " +
                                          l.key("interleave_moe_layer_step") + " is more than there are blocks"};
  }
  c.n_dense_layers = static_cast<int>(dense);
  c.expert_layer_step = step == 0 ? 1 : static_cast<int>(step);
  return {};
}

}  // namespace kedge::engine
