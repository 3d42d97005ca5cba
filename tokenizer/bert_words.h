// How BERT cleans text and cuts it into words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

struct BertCleaning {
  bool lowercase = false;
  bool strip_accents = false;  // after canonical decomposition, which also takes Hangul syllables apart
};

// One character of cleaned text.
struct BertCharacter {
  uint32_t code;
  bool begins_word;
  size_t from;  // byte of the text it comes from
};

// The characters of the words of `text`, one word after another. White space only divides words; control characters,
// U+FFFD and bytes that are not UTF-8 are left out; punctuation marks and Chinese characters are words of their own.
std::vector<BertCharacter> bert_characters(std::string_view text, BertCleaning cleaning);

}  // namespace kedge::tokenizer
