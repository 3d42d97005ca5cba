// How much each column of a matrix matters: the mean square of what it was multiplied with over some text, as
// llama-imatrix writes it (GGUF: for a matrix NAME the tensors NAME.in_sum2 and NAME.counts). The quantiser weighs
// squared errors by it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "kernels/base/result.h"
#include "weights/tensor_store.h"

namespace kedge::weights {

class ImportanceMatrix {
 public:
  // kCorrupt, kUnsupported: not such a file, or sums and counts that do not belong together.
  static Result<ImportanceMatrix> open(const std::string& path);

  const std::string& path() const { return store_.path(); }
  size_t size() const { return n_; }
  bool has(std::string_view tensor) const { return store_.find(std::string(tensor) + ".in_sum2") != nullptr; }
  // The weights of the columns of matrix `matrix` (an expert's number, else 0) of a tensor to `out`, one for each. All
  // are positive. Where the file has no such tensor, or the matrix was never used: ones.
  //   kInvalidArgument  the file has another number of columns or matrices for it
  Status read(const TensorInfo& tensor, int64_t matrix, std::span<float> out) const;

 private:
  TensorStore store_;
  size_t n_ = 0;  // tensors it has something about
};

}  // namespace kedge::weights
