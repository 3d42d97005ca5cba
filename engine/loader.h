// Reads what an architecture needs from a file: hyper-parameters under their GGUF names and tensors with the shapes the
// hyper-parameters imply, so that a file whose parts disagree is refused with the part's name. It is the only door to
// them, and counts what it handed out: what an architecture did not ask for is refused by finish().
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "engine/config.h"
#include "engine/model_keys.h"
#include "engine/system_info.h"
#include "kernels/base/result.h"
#include "kernels/kernel_table.h"
#include "weights/packed_store.h"
#include "weights/tensor_store.h"

namespace kedge::engine {

// A weight matrix [n_experts][rows][k]: in its file format for lookups, in the kernels' layout for products. A view
// into the stores.
struct Weight {
  const QuantFormat* format = nullptr;
  const std::byte* file_rows = nullptr;  // [n_experts][rows][k]; only readable when loaded for lookups
  LaidMatrix laid;                       // data is null when loaded for lookups only
  int rows = 0;
  int k = 0;
  int n_experts = 1;

  explicit operator bool() const { return file_rows != nullptr; }
  // Rows [first, first + count) for a product; `first` is a multiple of kGroupRows.
  WeightRows slice(int first, int count, int expert = 0) const {
    const size_t unit = static_cast<size_t>(first / laid.rows_per_unit);
    return {laid.data + static_cast<size_t>(expert) * laid.matrix_stride + unit * laid.stride, laid.stride, count};
  }
  // Row `row` as floats, k of them.
  void lookup(int row, float* out) const {
    const auto n = static_cast<size_t>(k);
    format->dequantise(file_rows + static_cast<size_t>(row) * format->row_bytes(n), out, n);
  }
};

enum class MatrixUse { kProduct, kLookup, kBoth };

class ModelLoader {
 public:
  // The matrices go to `packed`, which must outlive the network. `progress` (may be empty) gets the bytes of tensors
  // done and in total; returning false cancels.
  ModelLoader(const TensorStore& store, std::string arch, PackedStore& packed, LoadProgress progress)
      : store_(&store),
        keys_(store.metadata()),
        arch_(std::move(arch)),
        packed_(&packed),
        progress_(std::move(progress)),
        used_(store.tensors().size()) {
    // Of its own, so that a child after fork() can load too. Where the system gives no threads, the caller packs alone.
    if (auto made = ThreadTeam::make(default_threads()); made.ok()) team_ = std::move(*made);
  }

  const std::string& file() const { return keys_.file(); }
  ModelKeys& keys() { return keys_; }
  ModelConfig& config() { return config_; }
  size_t bytes_per_token() const { return bytes_per_token_; }

  // "<arch>.<name>"
  std::string key(std::string_view name) const { return arch_ + "." + std::string(name); }
  // A positive integer hyper-parameter no larger than `max`.
  Result<int> count(std::string_view name, int max);
  Result<int> count_or(std::string_view name, int fallback, int max);

  // The hyper-parameters nearly every decoder has: layers, widths, heads, context, norm epsilon, vocabulary size, and
  // the rotary ones with scaling. `layout` is the architecture's.
  Status common_config(RopeLayout layout);
  // Expert count, experts used, expert width; zero experts when the keys are missing.
  Status expert_config();

  // The same for architectures that are nothing without experts.
  Status some_experts();

  // A matrix [rows][k] ("k, rows" in GGUF order). Counted in bytes_per_token unless it is for lookups only.
  Result<Weight> matrix(const std::string& name, int rows, int k, MatrixUse use = MatrixUse::kProduct);
  Result<Weight> experts(const std::string& name, int n_experts, int rows, int k);
  // A vector of n F32 values.
  Result<const float*> vector(const std::string& name, int n);
  // The same, null when the file has none.
  Result<const float*> optional_vector(const std::string& name, int n);
  bool has(const std::string& name) const { return store_->find(name) != nullptr; }

  // When the architecture has what it wants: every tensor was handed out and every key of the architecture read, or a
  // rule says that it changes nothing. kUnsupported, with the names of what is left.
  Status finish();
  const std::vector<std::string>& ignored() const { return ignored_; }  // by such a rule

 private:
  Status rope_config(RopeLayout layout);
  Status rope_scaling();
  Result<TensorRef> take(const std::string& name, std::initializer_list<int64_t> dims);
  Result<Weight> to_weight(const TensorRef& ref, int n_experts, int rows, int k, MatrixUse use);
  Status report(uint64_t bytes);

  const TensorStore* store_;
  ModelKeys keys_;
  std::string arch_;
  ModelConfig config_;
  size_t bytes_per_token_ = 0;
  PackedStore* packed_;
  LoadProgress progress_;
  ThreadTeam team_;
  uint64_t done_ = 0;
  std::vector<bool> used_;  // of the store's tensors
  std::vector<std::string> ignored_;
};

// A part that was read, to its place.
template <class T>
Status set(T& to, Result<T> from) {
  if (!from.ok()) return std::move(from).error();
  to = std::move(from).value();
  return {};
}

}  // namespace kedge::engine
