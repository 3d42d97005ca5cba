// Copies a vocabulary out of GGUF metadata into the tokenizer's plain data.
#pragma once

#include <string>
#include <vector>

#include "kernels/base/result.h"
#include "tokenizer/vocab.h"
#include "weights/gguf_metadata.h"

namespace kedge::engine {

// Errors name the key; a key that nothing reads is one, unless it encodes nothing: then `ignored` gets its name. The
// values themselves are checked by Tokenizer::make.
Result<VocabData> load_vocab(const GgufMetadata& metadata, std::vector<std::string>* ignored = nullptr);

}  // namespace kedge::engine
