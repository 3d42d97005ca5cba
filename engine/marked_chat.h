// Where the parts of a chat went: token ranges of messages, and of marks inside them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/result.h"
#include "tokenizer/chat_template.h"

namespace kedge::engine {

// A stretch of a message's content that somebody marked.
struct ContentMark {
  size_t message = 0;
  size_t begin = 0;  // bytes of the content, or of the text of its part
  size_t end = 0;
  int32_t part = TextOrigin::kContent;
};

struct TokenRange {
  int32_t first = 0;
  int32_t last = 0;  // behind the last token
};

// Usually one range each. A template may leave a message out, or write it twice, or one inside another.
struct MarkedRanges {
  std::vector<std::vector<TokenRange>> messages;  // with what the template wrote before the content
  std::vector<std::vector<TokenRange>> marks;     // at least one each
};

// `begins` are the bytes of the parts' text at which its tokens begin (encode_chat). By where the rendered bytes came
// from, whatever they read. What stands before a message's text belongs to it, what stands behind the last one's too.
// Errors: kUnsupported when nothing of a mark stands in the rendered chat (the template drops it).
Result<MarkedRanges> find_marked(std::span<const TextSegment> parts, std::span<const size_t> begins, size_t n_messages,
                                 std::span<const ContentMark> marks);

}  // namespace kedge::engine
