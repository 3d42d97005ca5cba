// SentencePiece vocabularies (`tokenizer.ggml.model` = "llama": BPE, "t5": unigram), segmented by libsentencepiece.
#pragma once

#include <memory>
#include <string>

#include "kernels/base/result.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"

namespace kedge::tokenizer {

// `vocab` comes from resolve_vocab(). Errors: kCorrupt, with what libsentencepiece says of the vocabulary.
Result<std::unique_ptr<Tokenizer>> make_spm_tokenizer(VocabData vocab);

// The vocabulary as a serialised sentencepiece ModelProto (sentencepiece_model.proto, proto2 wire format). Ids are
// kept; one unknown piece is added behind the last if the vocabulary has none, since the library insists on one. Only
// normal, unused and byte pieces keep their texts: all others are found, if at all, before the library sees the text.
std::string sentencepiece_model(const VocabData& vocab);

}  // namespace kedge::tokenizer
