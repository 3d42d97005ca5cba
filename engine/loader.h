// Reads what an architecture needs from a file: hyper-parameters under their GGUF names and tensors with the shapes the
// hyper-parameters imply, so that a file whose parts disagree is refused with the part's name.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "engine/config.h"
#include "kernels/base/result.h"
#include "kernels/kernel_table.h"
#include "weights/tensor_store.h"

namespace kedge {

// A weight matrix in its file format: [n_experts][rows][k], k contiguous. A view into the store.
struct Weight {
  const QuantFormat* format = nullptr;
  const std::byte* data = nullptr;
  size_t row_bytes = 0;
  int rows = 0;
  int k = 0;
  int n_experts = 1;

  explicit operator bool() const { return data != nullptr; }
  WeightRows slice(int first, int count, int expert = 0) const {
    const size_t row = static_cast<size_t>(expert) * static_cast<size_t>(rows) + static_cast<size_t>(first);
    return {data + row * row_bytes, row_bytes, count};
  }
};

class ModelLoader {
 public:
  ModelLoader(const TensorStore& store, std::string arch) : store_(&store), arch_(std::move(arch)) {}

  const GgufMetadata& metadata() const { return store_->metadata(); }
  const TensorStore& store() const { return *store_; }
  ModelConfig& config() { return config_; }
  size_t bytes_per_token() const { return bytes_per_token_; }

  // "<arch>.<name>"
  std::string key(std::string_view name) const { return arch_ + "." + std::string(name); }
  // A positive integer hyper-parameter no larger than `max`.
  Result<int> count(std::string_view name, int max) const;
  Result<int> count_or(std::string_view name, int fallback, int max) const;

  // The hyper-parameters nearly every decoder has: layers, widths, heads, context, norm epsilon, vocabulary size, and
  // the rotary ones with scaling. `layout` is the architecture's.
  Status common_config(RopeLayout layout);
  // Expert count, experts used, expert width; zero experts when the keys are missing.
  Status expert_config();

  // A matrix [rows][k] ("k, rows" in GGUF order). Counted in bytes_per_token unless `is_lookup`.
  Result<Weight> matrix(const std::string& name, int rows, int k, bool is_lookup = false);
  Result<Weight> experts(const std::string& name, int n_experts, int rows, int k);
  // A vector of n F32 values.
  Result<const float*> vector(const std::string& name, int n);
  // The same, null when the file has none.
  Result<const float*> optional_vector(const std::string& name, int n);
  bool has(const std::string& name) const { return store_->find(name) != nullptr; }

 private:
  Status rope_config(RopeLayout layout);
  Result<Weight> to_weight(const TensorRef& ref, int rows, int k) const;

  const TensorStore* store_;
  std::string arch_;
  ModelConfig config_;
  size_t bytes_per_token_ = 0;
};

}  // namespace kedge
