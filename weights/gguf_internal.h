// Between the files of the reader and the writer; not for other rooms.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/base/result.h"
#include "weights/gguf.h"

namespace kedge::weights::gguf_internal {

// Bytes of the tensor's data from its type and dims: rows must be whole blocks, nothing may overflow. The error's
// message names neither file nor tensor.
Result<uint64_t> tensor_bytes(const TensorInfo& tensor);

// Checks the table of tensors as a whole — unique names, extents aligned, inside the file and disjoint — and turns
// offsets relative to the data section into offsets in the file.
Status place_tensors(GgufFile& gguf, uint64_t file_bytes, const std::string& file);

}  // namespace kedge::weights::gguf_internal
