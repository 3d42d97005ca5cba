// SentencePiece BPE vocabularies (`tokenizer.ggml.model` = "llama").
#pragma once

#include <memory>
#include <string>

#include "kernels/base/result.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"

namespace kedge {

// `vocab` comes from resolve_vocab().
Result<std::unique_ptr<Tokenizer>> make_spm_tokenizer(VocabData vocab);

}  // namespace kedge
