#include "router/prompt.h"

#include "engine/chat_tokens.h"
#include "engine/marked_chat.h"

namespace kedge {
namespace {

constexpr std::string_view kAnswerFromSources = "Answer from the sources and cite them.";
constexpr std::string_view kAnswerYesOrNo = "Answer yes or no.";
constexpr std::string_view kDocToken = "<|doc|>";

// Text of a message that is put together here: which bytes are our own marks, and where passages are.
struct Composed {
  std::string text;
  std::vector<size_t> marks;  // offsets of kDocToken
  std::vector<std::pair<size_t, size_t>> passages;
};

Composed with_sources(const Tokenizer& tokenizer, std::span<const Evidence> evidence, std::string_view rest) {
  const int32_t doc = tokenizer.find(kDocToken);
  const bool has_token = doc >= 0 && tokenizer.is_control(doc);
  Composed c;
  for (const Evidence& e : evidence) {
    if (has_token) {
      c.marks.push_back(c.text.size());
      c.text += kDocToken;
    }
    const size_t begin = c.text.size();
    c.text += "[" + e.id + "] " + e.text;
    c.passages.emplace_back(begin, c.text.size());
    c.text += '\n';
  }
  c.text += rest;
  return c;
}

// Cuts the rendered text so that our marks are template text, which may become control tokens.
Result<std::vector<TextSegment>> split_marks(std::vector<TextSegment> parts, const Composed& composed) {
  if (composed.marks.empty()) return parts;
  std::vector<TextSegment> out;
  bool found = false;
  for (TextSegment& part : parts) {
    const size_t at = part.from_input && !found ? part.text.rfind(composed.text) : std::string::npos;
    if (at == std::string::npos) {
      out.push_back(std::move(part));
      continue;
    }
    found = true;
    size_t done = 0;
    for (const size_t mark : composed.marks) {
      if (at + mark > done) out.push_back({part.text.substr(done, at + mark - done), true});
      out.push_back({std::string(kDocToken), false});
      done = at + mark + kDocToken.size();
    }
    out.push_back({part.text.substr(done), true});
  }
  if (!found) {
    return Error{ErrorCode::kUnsupported, "the model's chat template changes the message that holds the passages"};
  }
  return out;
}

Result<Prompt> tokenize(const Model& model, std::vector<ChatMessage> messages, const Composed& composed,
                        std::span<const Evidence> evidence, bool allow_special) {
  if (model.chat_template() == nullptr) {
    return Error{ErrorCode::kUnsupported, "the model has no chat template: " + model.chat_template_error()};
  }
  KEDGE_ASSIGN(rendered, model.chat_template()->render_segments(messages, ChatOptions{}));
  KEDGE_ASSIGN(parts, split_marks(std::move(rendered), composed));
  Prompt prompt;
  KEDGE_ASSIGN(ids, encode_chat(model.tokenizer(), parts, allow_special));
  prompt.tokens = std::move(ids);
  if (evidence.empty()) return prompt;

  std::string text;
  for (const TextSegment& part : parts) text += part.text;
  std::vector<std::string> contents;
  for (const ChatMessage& m : messages) contents.push_back(m.content);
  std::vector<ContentMark> marks;
  for (const auto& [begin, end] : composed.passages) {
    marks.push_back({.message = messages.size() - 1, .begin = begin, .end = end});
  }
  KEDGE_ASSIGN(ranges, find_marked(model.tokenizer(), prompt.tokens, text, contents, marks));
  for (size_t i = 0; i < evidence.size(); ++i) {
    prompt.segments.push_back({.first = ranges.marks[i].first,
                               .last = ranges.marks[i].last,
                               .kind = SegmentKind::kRetrieved,
                               .pin = Pin::kSoft,
                               .source_id = evidence[i].id});
  }
  return prompt;
}

}  // namespace

Result<Prompt> build_prompt(const Model& model, const AskRequest& request, std::span<const Evidence> evidence) {
  std::vector<ChatMessage> messages = request.messages;
  if (evidence.empty()) return tokenize(model, std::move(messages), {}, evidence, request.allow_special);
  const Composed composed = with_sources(model.tokenizer(), evidence, "Question: " + request.question());
  messages.back().content = composed.text;
  if (messages.front().role != "system") {
    messages.insert(messages.begin(), {.role = "system", .content = std::string(kAnswerFromSources), .extra_json = {}});
  }
  return tokenize(model, std::move(messages), composed, evidence, request.allow_special);
}

Result<Prompt> build_verifier_prompt(const Model& model, const AskRequest& request, std::span<const Evidence> evidence,
                                     std::string_view proposed) {
  const std::string rest =
      "Question: " + request.question() + "\nProposed answer: " + std::string(proposed) +
      (evidence.empty() ? "\nIs the answer correct?" : "\nIs the answer supported by the sources?");
  const Composed composed = with_sources(model.tokenizer(), evidence, rest);
  std::vector<ChatMessage> messages = {{.role = "system", .content = std::string(kAnswerYesOrNo), .extra_json = {}},
                                       {.role = "user", .content = composed.text, .extra_json = {}}};
  return tokenize(model, std::move(messages), composed, evidence, false);
}

}  // namespace kedge
