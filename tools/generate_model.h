// Model files of a given shape with random weights: for measuring speed without a download.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::tools {

enum class QkNorm { kNone, kPerHead, kFullWidth };

class ModelPlan;
struct ModelShape;
// What a file of an architecture has beside tables of tokens and the final norm: its keys and its layers' tensors.
using PlanLayers = void (*)(const ModelShape& shape, ModelPlan& plan);
void plan_decoder(const ModelShape& shape, ModelPlan& plan);  // Llama and its like

struct ModelShape {
  std::string name;
  std::string arch;
  int n_layers = 0;
  int d_model = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  int d_ff = 0;       // of the dense block, or of one expert
  int n_experts = 0;  // 0 = dense
  int n_experts_used = 0;
  int n_vocab = 0;
  int n_ctx = 0;
  float rope_base = 10000.0f;
  float rms_eps = 1e-5f;
  QkNorm qk_norm = QkNorm::kNone;
  bool tied = false;  // the embedding is the output matrix too
  const char* final_norm = "output_norm.weight";
  PlanLayers layers = plan_decoder;
};

// Shapes of known models; a "-slice" has fewer layers, each of true size.
const std::vector<ModelShape>& preset_shapes();

struct GenerateModelOptions {
  ModelShape shape;
  std::string type;  // "Q4_0", ..., or the mix "Q4_K_M"
  uint64_t seed = 0;
  std::function<bool(uint64_t done, uint64_t total)> progress;  // bytes; false cancels
};

struct GeneratedModel {
  uint64_t file_bytes = 0;
  uint64_t n_parameters = 0;
  size_t n_tensors = 0;
};

// Writes the file; the same options give the same bytes.
Result<GeneratedModel> generate_model(const std::string& path, const GenerateModelOptions& options);

}  // namespace kedge::tools
