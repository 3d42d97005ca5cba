// The shapes: what the published configurations of these models say.
#include "tools/generate_model.h"

namespace kedge::tools {

const std::vector<ModelShape>& preset_shapes() {
  static const std::vector<ModelShape> shapes = {
      {.name = "tiny", .arch = "llama", .n_layers = 2, .d_model = 256, .n_heads = 4, .n_kv_heads = 2, .head_dim = 64,
       .d_ff = 512, .n_vocab = 512, .n_ctx = 512},
      {.name = "qwen3-0.6b", .arch = "qwen3", .n_layers = 28, .d_model = 1024, .n_heads = 16, .n_kv_heads = 8,
       .head_dim = 128, .d_ff = 3072, .n_vocab = 151936, .n_ctx = 40960, .rope_base = 1e6f, .rms_eps = 1e-6f,
       .qk_norm = QkNorm::kPerHead, .tied = true},
      {.name = "qwen3-1.7b", .arch = "qwen3", .n_layers = 28, .d_model = 2048, .n_heads = 16, .n_kv_heads = 8,
       .head_dim = 128, .d_ff = 6144, .n_vocab = 151936, .n_ctx = 40960, .rope_base = 1e6f, .rms_eps = 1e-6f,
       .qk_norm = QkNorm::kPerHead, .tied = true},
      {.name = "qwen3-30b-a3b-slice", .arch = "qwen3moe", .n_layers = 6, .d_model = 2048, .n_heads = 32,
       .n_kv_heads = 4, .head_dim = 128, .d_ff = 768, .n_experts = 128, .n_experts_used = 8, .n_vocab = 151936,
       .n_ctx = 40960, .rope_base = 1e6f, .rms_eps = 1e-6f, .qk_norm = QkNorm::kPerHead},
      {.name = "olmoe-slice", .arch = "olmoe", .n_layers = 4, .d_model = 2048, .n_heads = 16, .n_kv_heads = 16,
       .head_dim = 128, .d_ff = 1024, .n_experts = 64, .n_experts_used = 8, .n_vocab = 50304, .n_ctx = 4096,
       .qk_norm = QkNorm::kFullWidth},
      {.name = "mixtral-slice", .arch = "llama", .n_layers = 2, .d_model = 4096, .n_heads = 32, .n_kv_heads = 8,
       .head_dim = 128, .d_ff = 14336, .n_experts = 8, .n_experts_used = 2, .n_vocab = 32000, .n_ctx = 32768,
       .rope_base = 1e6f},
  };
  return shapes;
}

}  // namespace kedge::tools
