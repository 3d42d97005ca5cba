// The tokens a text is made of, as the vocabulary's own tokenizer makes them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/grammar/vocabulary.h"

namespace kedge::engine::grammar {

// Of a text in the middle of another: no space is put before it, no control token is in it. Empty where the tokenizer
// would not give back the same bytes.
std::vector<int32_t> spell(const Vocabulary& vocabulary, std::string_view text);

}  // namespace kedge::engine::grammar
