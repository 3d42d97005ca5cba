// The weights as the kernels read them, in large blocks of memory on huge pages: interleaved where the kernel table
// packs their format, otherwise as in the file. The source is let go, so that no weight is resident twice. (The
// reference table packs nothing: then all weights stay where the file is mapped.) What a packed file has is used from
// there.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "kernels/base/aligned.h"
#include "kernels/base/parallel.h"
#include "kernels/base/result.h"
#include "kernels/kernel_table.h"
#include "weights/packed_file.h"
#include "weights/tensor_store.h"

namespace kedge::weights {

// A matrix, or a stack of matrices of the same shape, in the layout of one kernel table. A view.
struct LaidMatrix {
  const std::byte* data = nullptr;
  size_t stride = 0;         // bytes from unit to unit
  int rows_per_unit = 1;     // rows of a unit: 16 (packed) or 1 (the file's layout)
  size_t matrix_stride = 0;  // bytes from matrix to matrix
};

// Rows [first, first + n) of every matrix [of][k] of a tensor; all of them unless said otherwise.
struct MatrixRows {
  int n = 0;
  int first = 0;
  int of = 0;  // 0: n
};

// Owns the memory; move-only, and what it gave out stays valid when it is moved.
class PackedStore {
 public:
  explicit PackedStore(const KernelTable& table) : table_(&table) {}

  // Before the first matrix is laid out.
  void use(PackedFile file) { file_ = std::move(file); }

  // Lays out `rows` of the `n_matrices` matrices of rows of k values that follow one another in `tensor`.
  // `keep_source`: the file's bytes are read too (a token table that is also the output matrix, other rows of it).
  // Error: kCapacity when there is no memory.
  Result<LaidMatrix> lay_out(const TensorStore& store, const TensorRef& tensor, int n_matrices, MatrixRows rows, int k,
                             bool keep_source, const ThreadTeam& team);

  size_t packed_bytes() const { return packed_bytes_; }  // in memory of its own
  // All that was laid out, for write_packed_file().
  std::span<const LaidPiece> pieces() const { return pieces_; }
  bool all_from_file() const { return packed_bytes_ == 0 && file_.has_value(); }

 private:
  Result<std::byte*> take(size_t bytes);
  Result<const std::byte*> laid(const TensorStore& store, const TensorRef& tensor, const PackedPiece& piece,
                                bool keep_source, const ThreadTeam& team);
  void pack(const QuantFormat& format, const std::byte* source, size_t source_bytes, const PackedPiece& piece,
            std::byte* out, const ThreadTeam& team) const;

  const KernelTable* table_;
  std::optional<PackedFile> file_;
  std::vector<LaidPiece> pieces_;
  std::vector<AlignedBytes> blocks_;
  size_t used_ = 0;  // of the last block
  size_t packed_bytes_ = 0;
};

}  // namespace kedge::weights
