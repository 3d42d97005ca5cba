#include "engine/chat_tokens.h"

#include <string>
#include <string_view>

#include "tokenizer/special.h"
#include "tokenizer/vocab.h"

namespace kedge::engine {
namespace {

bool is_user_defined(const Tokenizer& t, int32_t id) { return t.type(id) == TokenType::kUserDefined; }

// What encode() recognises only with parse_special.
bool is_guarded(const Tokenizer& t, int32_t id) {
  return t.is_control(id) || (is_user_defined(t, id) && (is_markup(t.token_text(id)) || t.is_eog(id) || id == t.bos()));
}

SpecialTokens special_tokens(const Tokenizer& t) {
  SpecialTokens special;
  for (int32_t id = 0; id < t.size(); ++id) {
    if (t.is_control(id) || is_user_defined(t, id)) special.add(t.token_text(id), id);
  }
  special.build();
  return special;
}

// The tokens so far, and the text since the last special one.
class ChatEncoder {
 public:
  ChatEncoder(const Tokenizer& tokenizer, ChatEncodeOptions options) : tokenizer_(tokenizer), options_(options) {}

  void add_text(std::string_view text) { run_ += text; }

  // Ends the run: what follows it is a special token, or nothing.
  Status end_run() {
    std::vector<size_t> begins;
    KEDGE_ASSIGN(
        ids,
        tokenizer_.encode(
            run_, {.add_special = false, .parse_special = options_.allow_special, .exact_bytes = options_.exact_bytes},
            &begins));
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    for (const size_t begin : begins) begins_.push_back(done_ + begin);
    done_ += run_.size();
    run_.clear();
    return {};
  }

  Status add_special(int32_t id, size_t length) {
    KEDGE_TRY(end_run());
    ids_.push_back(id);
    begins_.push_back(done_);
    done_ += length;
    return {};
  }

  std::vector<int32_t> take(std::vector<size_t>* begins) {
    const bool has_bos = !ids_.empty() && ids_.front() == tokenizer_.bos();
    if (tokenizer_.add_bos() && !has_bos) {
      ids_.insert(ids_.begin(), tokenizer_.bos());
      begins_.insert(begins_.begin(), 0);
    }
    if (begins != nullptr) *begins = std::move(begins_);
    return std::move(ids_);
  }

 private:
  const Tokenizer& tokenizer_;
  ChatEncodeOptions options_;
  std::string run_;
  size_t done_ = 0;  // bytes before it
  std::vector<int32_t> ids_;
  std::vector<size_t> begins_;
};

}  // namespace

Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer, std::span<const TextSegment> segments,
                                         ChatEncodeOptions options, std::vector<size_t>* begins) {
  ChatEncoder encoder(tokenizer, options);
  const SpecialTokens special = options.allow_special ? SpecialTokens() : special_tokens(tokenizer);
  for (const TextSegment& segment : segments) {
    const std::string_view text = segment.text;
    if (segment.from_input || options.allow_special) {  // nothing to find, or encode() finds it
      encoder.add_text(text);
      continue;
    }
    for (size_t at = 0; at < text.size();) {
      const SpecialTokens::Match match = special.find(text, at);
      const size_t begin = match.id < 0 ? text.size() : match.begin;
      encoder.add_text(text.substr(at, begin - at));
      at = begin + match.length;
      if (match.id < 0) break;
      if (is_guarded(tokenizer, match.id)) {
        KEDGE_TRY(encoder.add_special(match.id, match.length));
      } else {
        encoder.add_text(text.substr(begin, match.length));  // ordinary text, which encode() finds again
      }
    }
  }
  KEDGE_TRY(encoder.end_run());
  return encoder.take(begins);
}

}  // namespace kedge::engine
