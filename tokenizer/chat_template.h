// A model's chat template: messages to the prompt's text, by the template's own Jinja source and nothing else. A
// template that uses something unsupported is an error that names it with line and column.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "tokenizer/jinja/limits.h"
#include "tokenizer/text_origin.h"

namespace kedge::tokenizer {

struct ChatMessage {
  std::string role;
  std::string content;
  // A JSON object whose members join the message, or replace those above: tool_calls, reasoning_content, name; a list
  // of parts, or null, as content. Empty: none. A list of nothing but texts is handed to a template that does not know
  // parts as one text with a line end between them.
  std::string extra_json;
};

// A stretch of rendered text. What came from the conversation must never become a special token: encode such a stretch
// without looking for them. Roles the field knows (system, user, assistant, tool, developer) are the template's own.
struct TextSegment {
  // Bytes [begin, end) of the text stand for those of its origin: one by one when there are as many.
  struct Source {
    size_t begin = 0;
    size_t end = 0;
    TextOrigin origin;
  };

  std::string text;
  bool from_input = false;
  std::vector<Source> sources = {};  // ascending, of the whole text; empty for the template's own

  TextSegment slice(size_t begin, size_t end) const;
};

struct ChatOptions {
  bool add_generation_prompt = true;
  // A JSON object of further variables: tools, documents, enable_thinking ... They count as input and may not replace
  // messages, add_generation_prompt, bos_token or eos_token.
  std::string_view variables_json;
  // What strftime_now() shows, in seconds since 1970; none: the clock.
  std::optional<int64_t> now;
};

// Immutable after parse(), cheap to copy; any number of threads may render at once.
class ChatTemplate {
 public:
  // `bos_token` and `eos_token` are the tokens' texts ("" when the model has none).
  // Errors: kInvalidArgument (syntax), kUnsupported (a construct, filter or test), kCapacity (a limit).
  static Result<ChatTemplate> parse(std::string_view source, std::string_view bos_token, std::string_view eos_token,
                                    const jinja::Limits& limits = {});

  // Errors: kInvalidArgument (raise_exception, undefined names, wrong types, bad JSON), kUnsupported, kCapacity.
  Result<std::string> render(std::span<const ChatMessage> messages, const ChatOptions& options = {}) const;
  // The same text in pieces; neighbours differ in from_input, none is empty.
  Result<std::vector<TextSegment>> render_segments(std::span<const ChatMessage> messages,
                                                   const ChatOptions& options = {}) const;

 private:
  struct Parsed;
  explicit ChatTemplate(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}
  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace kedge::tokenizer
