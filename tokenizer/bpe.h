// Byte-level BPE vocabularies (`tokenizer.ggml.model` = "gpt2"): pre-tokeniser, then merges by rank
// (Sennrich et al. 2016, over bytes as in GPT-2).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/base/result.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"

namespace kedge::tokenizer {

// `vocab` comes from resolve_vocab(). Errors: kCorrupt (a merge that names no tokens, or makes a special one),
// kUnsupported (pre-tokeniser).
Result<std::unique_ptr<Tokenizer>> make_bpe_tokenizer(VocabData vocab);

// The bytes that a byte-level token text stands for: GPT-2 writes printable Latin-1 as itself and the other bytes as
// U+0100.. in ascending order. False when the text has a character outside that alphabet.
bool decode_byte_level(std::string_view text, std::string* bytes);

}  // namespace kedge::tokenizer
