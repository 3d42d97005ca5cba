// SentencePiece vocabularies as tokenizer.json has them: what the library does by scores is there as merges, and its
// spaces are replaced by a normaliser or a pre-tokeniser.
#pragma once

#include "tools/convert/vocab.h"

namespace kedge::tools::convert {

// Of a BPE whose tokens and merges are read: model "llama". The scores are made from the order of the merges, once it
// is certain that they say the same: every pair of tokens whose texts make a third has its merge, and those of one
// token stand together. kUnsupported otherwise.
Status sentencepiece_from_json(Config& file, Vocab& v);
// Model "t5".
Status unigram_from_json(Config& file, Config& model, Vocab& v);

}  // namespace kedge::tools::convert
