// WordPiece vocabularies (`tokenizer.ggml.model` = "bert"): text is cleaned and cut into words, each of which becomes
// its longest pieces from the left, or the unknown token. Encoding loses what cleaning takes away.
#pragma once

#include <memory>

#include "kernels/base/result.h"
#include "tokenizer/tokenizer.h"

namespace kedge::tokenizer {

// `vocab` comes from resolve_vocab(): pieces that begin a word have U+2581 in front, the others nothing.
Result<std::unique_ptr<Tokenizer>> make_wordpiece_tokenizer(VocabData vocab);

}  // namespace kedge::tokenizer
