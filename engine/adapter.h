// What is added to a model while it runs, from a GGUF file of its own: a LoRA adapter (to products of matrices and to
// what tokens are looked up as) or a control vector (to the residual stream behind layers). The model's weights stay as
// they are. Const and shared: any number of sessions may use one at once.
//
// One definition, whatever the batch, the chunks, the threads and the instruction set. To y, a product with its scale
// and bias, of input x, is added for each adapter of the session, in their order:
//   u = A x         every value as a product with float weights has it (kernels/README.md)
//   d = B u         likewise, over the rank padded with zeros to a multiple of 16
//   y = fma(s, d, y)  with s = float(scale * alpha / rank), worked out in double precision
// Of a table, u is the token's row of A. A control vector v: x = fma(scale, v, x) behind the layer. An adapter of scale
// 0 adds nothing, not even to a sign: it is as if it were not there.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/adapter_site.h"
#include "engine/model.h"
#include "kernels/base/aligned.h"
#include "kernels/base/result.h"
#include "kernels/kernel_table.h"

namespace kedge::engine {

// Matrices [n_experts][rows][k] of F32, F16 or BF16, as kernels read them.
struct FloatMatrix {
  const QuantFormat* format = nullptr;
  const std::byte* data = nullptr;
  int rows = 0;
  int k = 0;

  size_t row_bytes() const { return format->row_bytes(static_cast<size_t>(k)); }
  WeightRows slice(int first, int count, int expert = 0) const {
    const auto row = static_cast<size_t>(expert) * static_cast<size_t>(rows) + static_cast<size_t>(first);
    return {data + row * row_bytes(), row_bytes(), count};
  }
};

// What an adapter has for one site.
struct LowRank {
  FloatMatrix a;     // [rank][k]; of a table [n_vocab][rank]
  FloatMatrix b;     // [rows][rank]
  int rank = 0;      // rounded up to a multiple of 16; what is beyond the file's is zero
  double scale = 1;  // alpha / rank of the file's

  explicit operator bool() const { return rank > 0; }
  float scaled(float by) const { return static_cast<float>(scale * static_cast<double>(by)); }
};

class Adapter {
 public:
  enum class Kind { kLora, kControlVector };

  // Errors: those of a GGUF file, kUnsupported (another architecture, another kind of adapter, a tensor that the model
  // does not have or that cannot be adapted), kCorrupt (shapes, values that are no numbers). They name the part.
  static Result<std::shared_ptr<const Adapter>> open(const Model& model, const std::string& path);

  Kind kind() const { return kind_; }
  const std::string& name() const { return name_; }      // general.name, may be empty
  const std::string& digest() const { return digest_; }  // SHA-256 of the file, hexadecimal
  uint64_t model() const { return model_; }              // Model::fingerprint()
  // Null: nothing for it.
  const LowRank* at(int site) const {
    const auto i = static_cast<size_t>(site);
    return site >= 0 && i < sites_.size() && sites_[i] ? &sites_[i] : nullptr;
  }
  // [d_model] of a layer, or null.
  const float* direction(int layer) const {
    const auto i = static_cast<size_t>(layer);
    return i < directions_.size() ? directions_[i] : nullptr;
  }
  int widest_rank() const { return widest_rank_; }  // of all sites, rounded up as theirs
  std::string json() const;                         // see kedge_adapter_describe

 private:
  friend class AdapterReader;

  Kind kind_ = Kind::kLora;
  std::string name_;
  std::string task_;
  std::string prompt_prefix_;
  std::string digest_;
  uint64_t model_ = 0;
  double alpha_ = 0;
  size_t n_tensors_ = 0;
  std::vector<int> ranks_;  // of the file, ascending, each once
  int widest_rank_ = 0;
  std::vector<LowRank> sites_;
  std::vector<const float*> directions_;  // by layer
  std::vector<AlignedBytes> memory_;
};

struct AdapterUse {
  std::shared_ptr<const Adapter> adapter;
  float scale = 1;

  bool operator==(const AdapterUse& o) const { return adapter == o.adapter && scale == o.scale; }
};

inline constexpr size_t kMostAdapters = 16;  // of a session

// As a session uses them: those of scale 0 are left out. Errors: kInvalidArgument (too many, a scale that is no number,
// an adapter opened for another model).
Result<std::vector<AdapterUse>> checked_adapters(std::span<const AdapterUse> given, const Model& model);

// Bytes that are equal for equal adapters with equal scales in the same order, and for no others; empty: none. For keys
// of what was computed with them.
std::string identity(std::span<const AdapterUse> uses);
// "style.gguf (1a2b3c4d5e6f, scale 0.5), ..." or "none", for messages.
std::string listed(std::span<const AdapterUse> uses);

}  // namespace kedge::engine
