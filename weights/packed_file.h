// Weights as the kernels read them, kept in a file that is mapped: packing is done once, and processes share the
// memory.
//
// The file is a GGUF container. "weights" is all pieces, each at a multiple of 64 bytes; their names and numbers are in
// the metadata, their sizes follow from those. "digests" are SHA-256: of the header, then of every 4 MiB of what stands
// before "digests". A file is used only when all of this holds:
//   - it is a regular file that nobody but its owner may write, and that is this user's or the system's;
//   - it was made of this source: the stamps of its files (FileStamp) and its table of tensors are the same;
//   - its header has the header's digest, and the container says that nothing is missing;
//   - the first rows of every piece, packed anew, are the bytes that are there: so it has this program's layout;
//   - nobody has touched it since its digests were last compared with its bytes: the mark beside it (".checked") has
//     its stamp. Otherwise they are compared, all of them, first.
// So what is not noticed is what is not noticed of the source either: a disk that gives back other bytes than it got.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/base/result.h"
#include "kernels/kernel_table.h"
#include "weights/mapped_file.h"
#include "weights/tensor_store.h"

namespace kedge::weights {

// Rows [first, first + n) of the `n_matrices` matrices [of][k] that follow one another in a tensor, laid out.
struct PackedPiece {
  std::string tensor;
  int n_matrices = 1;
  int n = 0;
  int first = 0;
  int of = 0;
  int k = 0;
  bool operator==(const PackedPiece&) const = default;
};

// Where a piece is. `bytes` follows from the piece, the tensor's type and the layout.
struct LaidPiece {
  PackedPiece piece;
  const std::byte* data = nullptr;
  uint64_t bytes = 0;
};

// Bytes of a piece of a tensor of this type as `table` wants them.
uint64_t laid_bytes(const KernelTable& table, const QuantFormat& type, const PackedPiece& piece);

// Owns the mapping; move-only, constant after opening.
class PackedFile {
 public:
  // Errors say why the file is not used: kNotFound (there is none), kInvalidArgument (of another source or state of it,
  // of another layout, writable by others), kCorrupt (damaged), kIo.
  static Result<PackedFile> open(const std::string& path, const TensorStore& source, const KernelTable& table,
                                 const ThreadTeam& team);

  const std::byte* find(const PackedPiece& piece) const;  // null when it has no such piece
  uint64_t bytes() const { return file_.file_bytes(); }
  size_t n_pieces() const { return pieces_.size(); }

 private:
  Status read_pieces(const TensorStore& source, const KernelTable& table);
  Status check_rows(const TensorStore& source, const KernelTable& table) const;
  void bring_in(const ThreadTeam& team) const;

  TensorStore file_;
  std::vector<LaidPiece> pieces_;
};

// Writes the pieces of `source`, complete under its name or not at all, for its owner alone; then the mark. Errors: kIo
// (the disk is full, the source is another file by now, or was changed within 20 ms before `loaded_at`, so that its
// stamp may not tell), kCancelled.
Status write_packed_file(const std::string& path, const TensorStore& source, std::span<const LaidPiece> pieces,
                         int64_t loaded_at, const LoadProgress& progress);

// What stands in the file `path`, whatever it was made of.
struct PackedFileFacts {
  std::string source;     // path of its first file
  std::string digest;     // of its state: source_digest()
  uint64_t bytes = 0;     // of the packed file
  int64_t last_used = 0;  // nanoseconds since 1970
};
Result<PackedFileFacts> packed_file_facts(const std::string& path);

// Compares all digests with the bytes. Errors: kCorrupt.
Status check_packed_file(const std::string& path, const ThreadTeam& team);

// The file of the mark, whose time of modification is when the packed file was last used.
std::string mark_path(const std::string& packed_path);

// SHA-256, in hexadecimal digits, of the stamps of the source's files and of its table of tensors.
std::string source_digest(const TensorStore& source);

}  // namespace kedge::weights
