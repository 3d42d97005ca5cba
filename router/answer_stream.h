// The text of an answer while its tokens come: put together it is what answer_text() makes of all of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8_stream.h"

namespace kedge::router {

// Control tokens such as <|ref|> are written out, the token that ended the answer is left out, blanks around it are
// too. Bytes that are no UTF-8, such as a character that was given up in the middle, become U+FFFD; the tokens keep
// them.
std::string answer_text(const Tokenizer& tokenizer, std::span<const int32_t> tokens);

class AnswerStream {
 public:
  explicit AnswerStream(const Tokenizer& tokenizer)
      : tokenizer_(&tokenizer), detokenizer_(tokenizer, {.skip_special = false}) {}

  // What is certain with this token: whole characters, without blanks that may be the last.
  std::string push(int32_t token);
  // The rest of an answer that is `whole` now.
  std::string_view rest(std::string_view whole) const;

 private:
  const Tokenizer* tokenizer_;
  Detokenizer detokenizer_;
  Utf8Stream characters_;
  std::string bytes_;
  std::string held_;  // blanks that more text may follow
  size_t given_ = 0;  // bytes
};

}  // namespace kedge::router
