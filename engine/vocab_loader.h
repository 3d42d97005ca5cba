// Copies a vocabulary out of GGUF metadata into the tokenizer's plain data.
#pragma once

#include "kernels/base/result.h"
#include "tokenizer/vocab.h"
#include "weights/gguf_metadata.h"

namespace kedge {

// Errors name the key. The values themselves are checked by Tokenizer::make.
Result<VocabData> load_vocab(const GgufMetadata& metadata);

}  // namespace kedge
