#include "engine/grammar/spelling.h"

#include <algorithm>
#include <string>

namespace kedge::engine::grammar {

std::vector<int32_t> spell(const Vocabulary& vocabulary, std::string_view text) {
  const Tokenizer& tokenizer = vocabulary.tokenizer();
  // A tokenizer that puts a space before texts is given a line's end to put it before.
  const size_t lead = tokenizer.adds_space() ? 1 : 0;
  std::vector<size_t> begins;
  const auto encoded = tokenizer.encode(std::string(lead, '\n') + std::string(text),
                                        {.add_special = false, .parse_special = false, .exact_bytes = true}, &begins);
  if (!encoded.ok()) return {};
  const auto first = static_cast<size_t>(std::lower_bound(begins.begin(), begins.end(), lead) - begins.begin());
  std::string spelled;
  for (size_t i = first; i < encoded->size(); ++i) {
    if (!vocabulary.is_text((*encoded)[i])) return {};
    spelled += tokenizer.piece((*encoded)[i]);
  }
  if (spelled != text) return {};
  return {encoded->begin() + static_cast<ptrdiff_t>(first), encoded->end()};
}

}  // namespace kedge::engine::grammar
