// Quantises a model file: tensor by tensor, rows in parallel, memory for one piece of one tensor.
//
//   KEDGE_ASSIGN(store, TensorStore::open("scout-f16.gguf"));
//   KEDGE_ASSIGN(report, quantize_file(store, "scout-q4_k_m.gguf", {.type = "Q4_K_M", .threads = 2}));
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/result.h"
#include "kernels/quants.h"
#include "weights/importance.h"
#include "weights/tensor_store.h"

namespace kedge::weights {

struct QuantizeProgress {
  std::string_view tensor;  // being written
  size_t index = 0;         // of it
  size_t n_tensors = 0;
  uint64_t values_done = 0;  // of the whole model
  uint64_t values_total = 0;
};

struct QuantizeOptions {
  std::string type = "Q4_K_M";  // one of quantize_type_names()
  int threads = 1;
  // (pattern, type), `*` for any characters, e.g. {"blk.*.attn_q.weight", "Q8_0"}; the first that matches wins.
  std::vector<std::pair<std::string, std::string>> overrides = {};
  // A tensor that is quantised already loses twice; that must be asked for. Keeping its type needs no permission.
  bool allow_requantize = false;
  // What squared errors are weighed by, column by column; null: all alike. Tensors it does not know are all alike too,
  // and say so.
  const ImportanceMatrix* importance = nullptr;
  // Called on the calling thread after every piece; false cancels. May be empty; must not throw.
  std::function<bool(const QuantizeProgress&)> progress = nullptr;
};

// What became of one tensor.
struct QuantizedTensor {
  std::string name;
  std::string shape;
  const QuantFormat* from = nullptr;
  const QuantFormat* to = nullptr;
  uint64_t values = 0;
  uint64_t bytes_before = 0;
  uint64_t bytes = 0;
  double mse = 0;        // mean of (new - old)^2 over its values, unweighted, in double; 0 when copied
  double max_error = 0;  // largest |new - old|
  std::string note;      // why the type is not the one asked for, or the importance is unknown; empty otherwise
};

struct QuantizeReport {
  std::string type;
  std::vector<QuantizedTensor> tensors;  // in file order
  uint64_t file_bytes = 0;
  // Over the values of all tensors in block formats (kBlock32, kSuper256).
  double mse = 0;
  double bits_per_value = 0;  // of all tensors' data
};

// What quantize_file would do: types and bytes, without errors measured. Reads no tensor data.
Result<QuantizeReport> plan_quantize(const TensorStore& in, const QuantizeOptions& options);

// Writes the model in `in` to `path`, which appears complete or not at all. Metadata is kept in order, except that
// general.file_type and general.quantization_version are set and the split.* keys of a split model are dropped. The
// result does not depend on `threads`. Errors:
//   kInvalidArgument  unknown type or pattern target; `path` is the model's own file; a quantised tensor without
//                     allow_requantize; values that are not finite or that the new type cannot hold; an importance
//                     matrix of another model
//   kCancelled        progress returned false
//   kIo, kCapacity    as GgufWriter
Result<QuantizeReport> quantize_file(const TensorStore& in, const std::string& path, const QuantizeOptions& options);

}  // namespace kedge::weights
