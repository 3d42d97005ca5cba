// Reads what an architecture needs from a file: hyper-parameters under their GGUF names and tensors with the shapes the
// hyper-parameters imply, so that a file whose parts disagree is refused with the part's name. It is the only door to
// them, and counts what it handed out: what an architecture did not ask for is refused by finish().
#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/adapter_site.h"
#include "engine/config.h"
#include "engine/model_keys.h"
#include "engine/rope.h"
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
  const float* scale = nullptr;  // [n_experts] a product is multiplied by; null: by nothing
  int site = kNoSite;            // where adapters are added (engine/adapter_site.h)

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
  // A number for every layer, 0 to `max`: the key has one for all or a list. `fallback` without it; negative: an error.
  Result<std::vector<int>> counts(std::string_view name, int fallback, int max);
  // A finite number.
  Result<float> number_or(std::string_view name, float fallback);
  Result<bool> flag_or(std::string_view name, bool fallback) { return keys_.get_bool_or(key(name), fallback); }

  // The hyper-parameters nearly every decoder has: layers, widths, heads, context, norm epsilon, vocabulary size, and
  // the rotary ones with scaling. `layout` is the architecture's. Every layer gets the same shape.
  Status common_config(RopeLayout layout);
  // Expert count, experts used, expert width; zero experts when the keys are missing.
  Status expert_config();
  // The same for architectures that are nothing without experts.
  Status some_experts();
  // attention.sliding_window for the layers i where `is_windowed(i)`; nothing where the key is missing, 0 or covers the
  // whole context.
  Status windows(const std::function<bool(int)>& is_windowed);
  // Blocks at the end that predict further tokens (nextn_predict_layers) take no part in the logits: they are left out.
  Status leave_out_prediction_blocks();
  // After that: the model is the first of those blocks and nothing else, with attention like the model's; its number.
  // Errors: kUnsupported (the file has none).
  Result<int> only_prediction_block();

  // A rotary table for parts to point to, as long as the model lives. `divisors` as make_rope_table() has them.
  const RopeTable* rope(const RopeConfig& config, const float* divisors = nullptr);
  // The same, with other divisors for sequences of a long context.
  const RopeTable* rope(const RopeConfig& config, const float* divisors, const float* far_divisors);
  // Null where there are not so many: layers without positions.
  const RopeTable* rope_at(size_t index) const { return index < ropes_.size() ? ropes_[index].get() : nullptr; }
  std::vector<std::unique_ptr<const RopeTable>> take_ropes() { return std::move(ropes_); }

  // A matrix [rows][k] ("k, rows" in GGUF order). Counted in bytes_per_token unless it is for lookups only.
  Result<Weight> matrix(const std::string& name, int rows, int k, MatrixUse use = MatrixUse::kProduct);
  Result<Weight> experts(const std::string& name, int n_experts, int rows, int k);
  // A matrix per head, all of which are for every token; for Linear::multiply_heads().
  Result<Weight> head_matrices(const std::string& name, int n_heads, int rows, int k);
  // Some rows of a matrix, or of every expert's, that a file keeps in one tensor with others; the last ones are to be
  // asked for last. For products.
  Result<Weight> matrix_part(const std::string& name, MatrixRows rows, int k, int n_experts = 1);
  // A vector of k values as the matrix of one row.
  Result<Weight> one_row(const std::string& name, int k);
  // F32 values of these dimensions, in GGUF order.
  Result<const float*> values(const std::string& name, std::initializer_list<int64_t> dims);
  // A vector of n F32 values.
  Result<const float*> vector(const std::string& name, int n) { return values(name, {n}); }
  // The same, null when the file has none.
  Result<const float*> optional_vector(const std::string& name, int n);
  // One F32 value.
  Result<float> scalar(const std::string& name);
  bool has(const std::string& name) const { return store_->find(name) != nullptr; }
  // The table that tokens are looked up in as the matrix of the output: a place of its own for adapters of "output".
  Weight tied_output(const Weight& table);
  // The tensor, if the file has it, changes nothing: it is listed among those ignored.
  void ignore(const std::string& name);

  // What forward() takes of Step::buffer() per row: for the whole pass, and beside it at most for a while.
  void keeps(int floats) { kept_floats_ += static_cast<size_t>(floats); }
  void takes(int floats) { most_taken_ = std::max(most_taken_, static_cast<size_t>(floats)); }
  size_t floats_per_row() const { return kept_floats_ + most_taken_; }

  // When the architecture has what it wants: every tensor was handed out and every key of the architecture read, or a
  // rule says that it changes nothing. kUnsupported, with the names of what is left.
  Status finish();
  const std::vector<std::string>& ignored() const { return ignored_; }  // by such a rule
  std::vector<AdapterSite> take_sites() { return std::move(sites_); }   // by Weight::site

 private:
  Status heads();
  Status rope_config(RopeLayout layout);
  Status rope_scaling();
  Result<TensorRef> take(const std::string& name, std::initializer_list<int64_t> dims);
  Status companion_scale(const std::string& name, Weight& weight);
  Result<Weight> to_weight(const TensorRef& ref, int n_experts, MatrixRows rows, int k, MatrixUse use);
  int add_site(AdapterSite site);
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
  size_t kept_floats_ = 0;
  size_t most_taken_ = 0;
  int first_left_out_ = 0;  // blocks that are left out
  int end_left_out_ = 0;
  std::vector<std::unique_ptr<const RopeTable>> ropes_;
  std::vector<bool> used_;  // of the store's tensors
  std::vector<std::string> ignored_;
  std::vector<AdapterSite> sites_;
};

// A part that was read, to its place.
template <class T>
Status set(T& to, Result<T> from) {
  if (!from.ok()) return std::move(from).error();
  to = std::move(from).value();
  return {};
}

}  // namespace kedge::engine
