// Hyper-parameters that several architectures share beside the common ones, read into the configuration.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/loader.h"

namespace kedge::engine {

// embedding_scale, residual_scale and attention.scale multiply, logit_scale divides.
Status read_granite_scales(ModelLoader& loader);
// attn_logit_softcapping and final_logit_softcapping.
Status read_softcaps(ModelLoader& loader);
// 1 / sqrt(d_model / n_heads), what some models multiply scores by whatever their heads are.
float attention_scale_by_width(const ModelConfig& config);

// By layer, whether it has a window: attention.sliding_window_pattern has a list, or a number n of which every nth has
// none (0: all have one), `period` without the key. Not by what attention.sliding_window says.
Result<std::vector<uint8_t>> read_window_pattern(ModelLoader& loader, int period);
// A table for windowed layers behind that of the others: rope.freq_base_swa, no scaling, rope.dimension_count_swa.
Status read_windowed_rope(ModelLoader& loader, float base);
// rope.dimension_sections deal positions of several axes to pairs. For text all axes are the same.
Status read_rotary_sections(ModelLoader& loader);
// Table 0: with frequency factors for a context of at most the original length, and for longer ones (rope_factors_short
// and _long), where the file says "longrope"; otherwise a usual one.
Status read_long_rope(ModelLoader& loader);
// rope.scaling.yarn_log_multiplier, 0 without it. What it means is an architecture's own matter.
Result<float> read_yarn_log_multiplier(ModelLoader& loader);

// Width of the experts every token has: expert_shared_feed_forward_length, or expert_shared_count times that of the
// others.
Status read_shared_experts(ModelLoader& loader);
// leading_dense_block_count and interleave_moe_layer_step: which blocks have a feed-forward instead of experts.
Status read_dense_blocks(ModelLoader& loader);
inline bool has_experts(const ModelConfig& c, int layer) {
  return c.n_experts > 0 && layer >= c.n_dense_layers && (layer + 1) % c.expert_layer_step == 0;
}

}  // namespace kedge::engine
