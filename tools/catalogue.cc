#include "tools/catalogue.h"

namespace kedge::tools {

// Sizes: published parameter counts; of files about 4.85 bits a weight for Q4_K_M, 8.5 for Q8_0, 4.6 for the MXFP4 of
// gpt-oss; KV from layers, KV heads and head sizes of the published configurations. From small to large.
std::span<const CatalogueModel> catalogue() {
  static constexpr CatalogueModel kModels[] = {
      {"Qwen3 0.6B", "Qwen/Qwen3-0.6B-GGUF:Q8_0", 0.6, 0.6, 0.64, 112, "Apache-2.0", "small devices, drafts"},
      {"Qwen3-Embedding 0.6B", "Qwen/Qwen3-Embedding-0.6B-GGUF:Q8_0", 0.6, 0.6, 0.64, 112, "Apache-2.0",
       "embeddings (kedge embed)"},
      {"Qwen3 1.7B", "Qwen/Qwen3-1.7B-GGUF:Q8_0", 1.7, 1.7, 1.83, 112, "Apache-2.0", "short answers, routing"},
      {"SmolLM3 3B", "ggml-org/SmolLM3-3B-GGUF:Q4_K_M", 3.1, 3.1, 1.9, 72, "Apache-2.0", "chat, open training data"},
      {"Granite 4.0 H Micro", "ibm-granite/granite-4.0-h-micro-GGUF:Q4_K_M", 3.2, 3.2, 1.9, 8, "Apache-2.0",
       "long texts: few attention layers"},
      {"Phi-4-mini", "unsloth/Phi-4-mini-instruct-GGUF:Q4_K_M", 3.8, 3.8, 2.5, 128, "MIT",
       "reasoning in little memory"},
      {"Qwen3 4B", "Qwen/Qwen3-4B-GGUF:Q4_K_M", 4.0, 4.0, 2.5, 144, "Apache-2.0", "chat, tools; a good first model"},
      {"OLMoE 7B-A1B", "allenai/OLMoE-1B-7B-0924-Instruct-GGUF:Q4_K_M", 6.9, 1.3, 4.2, 128, "Apache-2.0",
       "fast for its size, open data"},
      {"Granite 4.0 H Tiny", "ibm-granite/granite-4.0-h-tiny-GGUF:Q4_K_M", 6.9, 1.0, 4.2, 8, "Apache-2.0",
       "fast; long texts"},
      {"Mistral 7B v0.3", "bartowski/Mistral-7B-Instruct-v0.3-GGUF:Q4_K_M", 7.2, 7.2, 4.4, 128, "Apache-2.0", "chat"},
      {"Qwen3 8B", "Qwen/Qwen3-8B-GGUF:Q4_K_M", 8.2, 8.2, 5.0, 144, "Apache-2.0", "chat, tools"},
      {"LFM2 8B-A1B", "LiquidAI/LFM2-8B-A1B-GGUF:Q4_K_M", 8.3, 1.5, 5.0, 12, "LFM Open License v1.0", "fast chat"},
      {"Qwen3 14B", "Qwen/Qwen3-14B-GGUF:Q4_K_M", 14.8, 14.8, 9.0, 160, "Apache-2.0", "better answers, slower"},
      {"gpt-oss 20B", "ggml-org/gpt-oss-20b-GGUF:MXFP4", 20.9, 3.6, 12.1, 48, "Apache-2.0", "reasoning, tools"},
      {"Qwen3 30B-A3B", "Qwen/Qwen3-30B-A3B-GGUF:Q4_K_M", 30.5, 3.3, 18.6, 96, "Apache-2.0",
       "large and fast, where 24 GB are free"},
      {"Qwen3-Coder 30B-A3B", "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q4_K_M", 30.5, 3.3, 18.6, 96, "Apache-2.0",
       "code, agents"},
      {"Qwen3 32B", "Qwen/Qwen3-32B-GGUF:Q4_K_M", 32.8, 32.8, 19.8, 256, "Apache-2.0", "quality before speed"},
      {"gpt-oss 120B", "ggml-org/gpt-oss-120b-GGUF:MXFP4", 116.8, 5.1, 63.4, 72, "Apache-2.0", "machines with 96 GB"},
  };
  return kModels;
}

}  // namespace kedge::tools
