#include "engine/marked_chat.h"

#include <algorithm>

namespace kedge {

namespace {

Error unsupported(std::string message) { return {ErrorCode::kUnsupported, std::move(message)}; }

// Byte of the text at which each token begins. A token may begin with a space the tokenizer put there.
Result<std::vector<size_t>> token_begins(const Tokenizer& tokenizer, std::span<const int32_t> ids,
                                         std::string_view text) {
  std::vector<size_t> begins;
  begins.reserve(ids.size() + 1);
  size_t at = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    begins.push_back(at);
    std::string_view piece = tokenizer.is_control(ids[i]) ? tokenizer.token_text(ids[i]) : tokenizer.piece(ids[i]);
    if (i == 0 && ids[i] == tokenizer.bos() && text.substr(0, piece.size()) != piece) continue;  // not in the text
    if (text.substr(at, piece.size()) != piece && tokenizer.adds_space() && piece.starts_with(' ')) {
      piece.remove_prefix(1);
    }
    if (text.substr(at, piece.size()) != piece) {
      return unsupported("the tokens do not spell the chat's text at byte " + std::to_string(at) +
                         ": this tokenizer changes text, so ranges of it cannot be found again");
    }
    at += piece.size();
  }
  if (at != text.size()) {
    return unsupported("the tokens spell " + std::to_string(at) + " of the chat's " + std::to_string(text.size()) +
                       " bytes: ranges cannot be told");
  }
  begins.push_back(at);
  return begins;
}

// Tokens that have a byte of [begin, end).
TokenRange tokens_of(const std::vector<size_t>& begins, size_t begin, size_t end) {
  const auto after = std::upper_bound(begins.begin(), begins.end() - 1, begin);
  const auto stop = std::lower_bound(begins.begin(), begins.end() - 1, end);
  const auto first = static_cast<int32_t>(after - begins.begin()) - 1;
  return {first, std::max(static_cast<int32_t>(stop - begins.begin()), first + 1)};
}

}  // namespace

Result<MarkedRanges> find_marked(const Tokenizer& tokenizer, std::span<const int32_t> ids, std::string_view rendered,
                                 std::span<const std::string> contents, std::span<const ContentMark> marks) {
  KEDGE_ASSIGN(begins, token_begins(tokenizer, ids, rendered));
  std::vector<size_t> content_at;
  size_t from = 0;
  for (size_t m = 0; m < contents.size(); ++m) {
    const size_t at = rendered.find(contents[m], from);
    if (at == std::string_view::npos) {
      return unsupported(
          "the content of messages[" + std::to_string(m) +
          "] does not stand in the rendered chat: the template changes it, so its tokens cannot be told");
    }
    content_at.push_back(at);
    from = at + contents[m].size();
  }
  MarkedRanges ranges;
  int32_t first = 0;
  for (size_t m = 0; m < contents.size(); ++m) {
    // What the template writes between two contents belongs to the message it opens.
    const size_t end = m + 1 < contents.size() ? content_at[m] + contents[m].size() : rendered.size();
    int32_t last = tokens_of(begins, content_at[m], std::max(end, content_at[m] + 1)).last;
    if (m + 1 == contents.size()) last = static_cast<int32_t>(ids.size());
    ranges.messages.push_back({first, std::max(last, first + 1)});
    first = last;
  }
  for (const ContentMark& mark : marks) {
    const size_t at = content_at[mark.message];
    ranges.marks.push_back(tokens_of(begins, at + mark.begin, at + mark.end));
  }
  return ranges;
}

}  // namespace kedge
