// A rendered chat as tokens, keeping what people wrote apart from what the template wrote.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/result.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace kedge::engine {

// The tokens of the segments' text as a whole: where one segment ends and the next begins cuts nothing. Control tokens
// and markup are recognised only where they lie entirely in text of the template, or everywhere with `allow_special`.
// A vocabulary that wants a beginning-of-text token gets it in front, unless the template wrote it: never twice.
// `begins`, where given, gets the byte of the whole text at which each token begins. Errors: those of
// Tokenizer::encode.
struct ChatEncodeOptions {
  bool allow_special = false;
  bool exact_bytes = false;  // see EncodeOptions
};
Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer, std::span<const TextSegment> segments,
                                         ChatEncodeOptions options, std::vector<size_t>* begins = nullptr);

}  // namespace kedge::engine
