// Distinctive words: those by which later text may refer to a statement. Names ("Lanwick", "NASA"), identifiers
// ("parse_header", "hashKey", "DOC-569B") and words of code in back-ticks or called; not the words of the language and
// not plain numbers. A word is judged by its own bytes and its neighbours alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::memory {

struct Term {
  uint64_t hash;      // of the word: exact for code, without case for names and numbers of records
  size_t begin, end;  // bytes in the text
};

// Appends the distinctive words of a statement in their order, each once.
void distinctive_terms(std::string_view statement, std::vector<Term>* terms);

}  // namespace kedge::memory
