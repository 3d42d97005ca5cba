// BPE over characters with U+2581 for a space (`tokenizer.ggml.model` = "gemma4", and some "gpt2" ones): no words are
// cut before merging, and a character without a token becomes its bytes.
#pragma once

#include <memory>

#include "kernels/base/result.h"
#include "tokenizer/tokenizer.h"

namespace kedge::tokenizer {

// `vocab` comes from resolve_vocab(). Errors: kCorrupt (merges).
Result<std::unique_ptr<Tokenizer>> make_metaspace_bpe_tokenizer(VocabData vocab);

}  // namespace kedge::tokenizer
