// Ranges of characters as sequences of ranges of bytes: what an automaton over UTF-8 reads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/grammar/grammar.h"

namespace kedge::engine::grammar {

struct ByteRange {
  uint8_t first;
  uint8_t last;
};

// One byte of each range, in order.
struct ByteSequence {
  std::array<ByteRange, 4> ranges;
  size_t size;
};

// Appends sequences that together are the encodings of the range, each once. No surrogates in it.
void append_utf8(CharRange range, std::vector<ByteSequence>& out);
void append_utf8(char32_t c, std::string& out);

}  // namespace kedge::engine::grammar
