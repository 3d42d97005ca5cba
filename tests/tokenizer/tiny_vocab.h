// Test only: the smallest vocabularies that have everything. Ids: 0 <unk>, 1 <s>, 2 </s>, then the 256 bytes.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace kedge::tokenizer {

inline void add_token(VocabData* v, std::string_view text, TokenType type, float score = 0.0f) {
  v->tokens.emplace_back(text);
  v->types.push_back(static_cast<int32_t>(type));
  v->scores.push_back(score);
}

// Words of "▁hello" and "▁ab" and single letters; byte fallback for the rest.
inline VocabData tiny_spm() {
  VocabData v;
  v.model = "llama";
  add_token(&v, "<unk>", TokenType::kUnknown);
  add_token(&v, "<s>", TokenType::kControl);
  add_token(&v, "</s>", TokenType::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", static_cast<unsigned>(byte));
    add_token(&v, text, TokenType::kByte);
  }
  float score = -1;
  for (const char* text :
       {"ab", "he", "ll", "hell", "hello", "▁hello", "▁ab", "▁", "a", "b", "h", "e", "l", "o", "<", "s", ">"}) {
    add_token(&v, text, TokenType::kNormal, score--);
  }
  return v;
}

// The 256 bytes, and "ab", "abab", " a" by merges.
inline VocabData tiny_bpe() {
  VocabData v;
  v.model = "gpt2";
  v.pre = "gpt-2";
  add_token(&v, "<pad>", TokenType::kControl);
  add_token(&v, "<s>", TokenType::kControl);
  add_token(&v, "</s>", TokenType::kControl);
  unsigned next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    const unsigned c = printable ? byte : next++;
    std::string text;
    if (c >= 0x80) text.push_back(static_cast<char>(0xc0 | (c >> 6)));
    text.push_back(static_cast<char>(c < 0x80 ? c : 0x80 | (c & 0x3f)));
    add_token(&v, text, TokenType::kNormal);
  }
  for (const char* text : {"ab", "abab", "Ġa", "Ġab"}) add_token(&v, text, TokenType::kNormal);
  v.merges = {"a b", "ab ab", "Ġ a", "Ġ ab"};
  return v;
}

}  // namespace kedge::tokenizer
