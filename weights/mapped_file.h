// The bytes of a regular file, read-only: mapped into memory, or read into memory of our own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "kernels/base/aligned.h"
#include "kernels/base/input_file.h"
#include "kernels/base/result.h"

namespace kedge::weights {

// Called while a file is loaded with the bytes done and the bytes in total; the last call has done == total. Returning
// false cancels: the load fails with kCancelled. Called on the loading thread; must not throw.
using LoadProgress = std::function<bool(uint64_t done, uint64_t total)>;

struct LoadOptions {
  bool use_mmap = true;     // false: read everything into memory of our own (immune to later changes of the file)
  bool populate = false;    // with use_mmap: bring every page in now rather than when first used
  bool huge_pages = false;  // with use_mmap: placed so that the system can map its huge pages of the file as such
  LoadProgress progress;
};

// Owns the mapping or the memory; move-only, and bytes() stay where they are when it is moved. Constant after opening,
// so any number of threads may read.
//
// A mapped file that another program truncates makes later reads of the lost pages fail with SIGBUS; that is the
// price of mapping. Replace model files by rename, or load with use_mmap = false.
class MappedFile {
 public:
  enum class Advice { kWillNeed, kSequential, kRandom, kDrop, kDiscard };

  MappedFile() = default;
  MappedFile(MappedFile&& o) noexcept;
  MappedFile& operator=(MappedFile&& o) noexcept;
  ~MappedFile();

  // Errors: kNotFound (no such file), kInvalidArgument (not a regular file, or empty), kIo (the system refused, or the
  // file changed while it was read), kCapacity (no memory), kCancelled.
  static Result<MappedFile> open(const std::string& path, const LoadOptions& options = {});

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  bool mapped() const { return mapped_; }
  const FileStamp& stamp() const { return stamp_; }  // when it was opened

  // Tells the system how the bytes [offset, offset + length) will be used. kDrop gives mapped pages back (they are
  // read from the file again when touched): for weights not used for a while. kDiscard says that the bytes will not be
  // read any more, for weights that were repacked: the same on a mapping, while owned memory is freed and reads as
  // zero. Everything but kDiscard is advice only and does nothing on owned memory.
  void advise(uint64_t offset, uint64_t length, Advice advice) const;

 private:
  Status read_all(int fd, const LoadOptions& options);
  Status map(int fd, const LoadOptions& options);
  Status populate(const LoadOptions& options) const;

  std::string path_;
  FileStamp stamp_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool mapped_ = false;
  AlignedBytes memory_;
};

// Size in bytes of the regular file at `path`, with the errors of MappedFile::open for anything else.
Result<uint64_t> regular_file_size(const std::string& path);

}  // namespace kedge::weights
