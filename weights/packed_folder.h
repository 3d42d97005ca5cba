// A folder of packed files, one per source: named after it, limited in size, those not used for longest leave first.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/result.h"
#include "weights/packed_file.h"

namespace kedge::weights {

inline constexpr uint64_t kPackedFolderBytes = uint64_t{32} << 30;  // of all files, unless said otherwise

// Where the packed weights of the model at `source` are in `folder`: its name and a digest of where it lies.
std::string packed_path(const std::string& folder, const std::string& source);

struct PackedFolderEntry {
  std::string path;
  PackedFileFacts facts;  // with the file's size in any case
  std::string problem;    // why it cannot be read; empty: it can
};
// By time of use, the last first. A folder that is not there is empty.
std::vector<PackedFolderEntry> packed_folder_entries(const std::string& folder);

// A packed file and its mark; one that is not there is gone already. Errors: kIo.
Status remove_packed(const std::string& path);

// Packs nothing: keeps the `pieces` of `source` in `folder`, which is made (for its owner alone), after others have
// made room. Errors: those of write_packed_file(), and kCapacity: the folder's limit or half of what the disk has free
// is less than they take, or another process is writing there.
Status keep_packed(const std::string& folder, uint64_t limit, const TensorStore& source,
                   std::span<const LaidPiece> pieces, int64_t loaded_at, const LoadProgress& progress);

}  // namespace kedge::weights
