// What the reader and the writer of packed files have in common.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/base/input_file.h"
#include "kernels/base/sha256.h"

namespace kedge::weights::packed_file {

inline constexpr uint32_t kVersion = 1;  // of the container; the layout is compared by bytes
inline constexpr std::string_view kVersionKey = "kedge.packed.version";
inline constexpr std::string_view kDigestKey = "kedge.packed.source.digest";
inline constexpr std::string_view kPathKey = "kedge.packed.source.path";
inline constexpr std::string_view kTensorsKey = "kedge.packed.tensors";  // strings, one per piece
inline constexpr std::string_view kNumbersKey = "kedge.packed.numbers";  // five per piece: n_matrices, n, first, of, k
inline constexpr int kNumbers = 5;
inline constexpr std::string_view kWeights = "weights";
inline constexpr std::string_view kDigests = "digests";
inline constexpr uint64_t kAlign = 64;                 // of pieces
inline constexpr uint64_t kPage = 4096;                // of tensors in the file
inline constexpr uint64_t kChunk = uint64_t{4} << 20;  // bytes of the file that have a digest; two huge pages

inline uint64_t aligned(uint64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }
inline uint64_t n_chunks(uint64_t bytes) { return (bytes + kChunk - 1) / kChunk; }

// The line of a mark.
std::string mark_of(const FileStamp& stamp);

}  // namespace kedge::weights::packed_file
