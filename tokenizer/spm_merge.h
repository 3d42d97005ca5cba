// Segmentation by a SentencePiece BPE vocabulary ("llama"), as libsentencepiece does it: of all neighbours whose join
// is a piece those with the highest score merge first, of equals the leftmost; pieces that are marked unused are steps
// on the way and are taken apart again in the end. The library's own tables of a large vocabulary take a tenth of a
// second to fill; this needs none but the vocabulary's index.
// Source: Sennrich et al. 2016 and the description of SentencePiece (Kudo and Richardson 2018); tests/tokenizer
// compares with the library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/vocab.h"

namespace kedge::tokenizer {

// `text` is valid UTF-8 with its spaces written as kSpaceMark. The segments follow one another and are all of it; an id
// of -1 is a character that no piece has.
struct SpmSegment {
  std::string_view text;
  int32_t id = -1;
};
std::vector<SpmSegment> spm_segments(const VocabData& vocab, std::string_view text);

}  // namespace kedge::tokenizer
