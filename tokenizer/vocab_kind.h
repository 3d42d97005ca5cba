// What differs between the kinds of vocabulary (`tokenizer.ggml.model`): what a file may leave out, and what is
// refused.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/vocab.h"
#include "tokenizer/vocab_end.h"

namespace kedge::tokenizer {

// Refuses a kind that is not known, and settings it has no meaning for. "gemma4" gets its pre-tokeniser.
Status check_kind(VocabData* v);

// Types of tokens in files without token_type, and of byte tokens that are not marked: what the texts and ids say.
void infer_types(VocabData* v);

// The ids and flags that files of its kind may leave out.
Status resolve_defaults(VocabData* v);

namespace vocab_message {

inline std::string key(const char* name) { return std::string("tokenizer.ggml.") + name; }
inline Error corrupt(std::string message) { return {ErrorCode::kCorrupt, std::move(message)}; }

// A token's text for an error message: short, and printable whatever the file holds.
inline std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 40)) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(byte < 0x20 || byte >= 0x7f ? '?' : c);
  }
  return out + (text.size() > 40 ? "...'" : "'");
}

}  // namespace vocab_message

}  // namespace kedge::tokenizer
