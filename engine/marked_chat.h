// Where the parts of a chat went: token ranges of messages, and of marks inside them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "tokenizer/tokenizer.h"

namespace kedge {

// A stretch of a message's content that somebody marked.
struct ContentMark {
  size_t message = 0;
  size_t begin = 0;  // bytes of the content
  size_t end = 0;
};

struct TokenRange {
  int32_t first = 0;
  int32_t last = 0;  // behind the last token
};

struct MarkedRanges {
  std::vector<TokenRange> messages;  // with what the template wrote around the content
  std::vector<TokenRange> marks;
};

// `ids` are the tokens of `rendered`, the chat as text with control tokens written out; `contents` are the messages'
// contents, which stand in it in this order. Errors: kUnsupported when the tokens do not spell the text (the tokenizer
// normalises it) or a content does not stand in it (the template changes it).
Result<MarkedRanges> find_marked(const Tokenizer& tokenizer, std::span<const int32_t> ids, std::string_view rendered,
                                 std::span<const std::string> contents, std::span<const ContentMark> marks);

}  // namespace kedge
