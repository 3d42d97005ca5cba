// The normalisation table of SentencePiece (`tokenizer.ggml.precompiled_charsmap`): strings and what replaces them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::tokenizer {

// A double-array trie (Aoe 1989, in Darts-clone's layout) over UTF-8, and the replacements. Read with every access
// checked: the bytes come from a file. Const and thread-safe.
class Charsmap {
 public:
  Charsmap() = default;  // changes nothing

  // Errors: kCorrupt (sizes that do not fit).
  static Result<Charsmap> make(std::string_view bytes);

  // `out` gets the text with the longest string of the table at each place replaced, `from` for every byte of it the
  // byte of the text it comes from. Bytes that are not UTF-8 stay as they are.
  void apply(std::string_view text, std::string* out, std::vector<size_t>* from) const;
  bool empty() const { return units_.empty(); }

 private:
  struct Match {
    size_t length = 0;  // 0: none
    size_t value = 0;   // where the replacement begins
  };
  Match longest_at(std::string_view text, size_t at) const;

  std::vector<uint32_t> units_;
  std::string replacements_;  // each ends with a NUL
};

}  // namespace kedge::tokenizer
