#include "router/prompt.h"

#include "engine/chat_tokens.h"
#include "engine/marked_chat.h"
#include "router/calibration/wording.h"

namespace kedge::router {
namespace {

constexpr std::string_view kAnswerFromSources = "Answer from the sources and cite them.";
constexpr std::string_view kAnswerYesOrNo = "Answer yes or no.";
constexpr std::string_view kQuestion = "Question: ";
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

// Where in a rendered part the bytes [begin, end) of message `message` stand, or npos.
size_t find_content(const TextSegment& part, size_t message, size_t begin, size_t end) {
  for (const TextSegment::Source& s : part.sources) {
    const TextOrigin& o = s.origin;
    const bool bytewise = s.end - s.begin == o.end - o.begin;
    const bool same = o.message == static_cast<int32_t>(message) && o.part == TextOrigin::kContent;
    if (same && bytewise && o.begin <= begin && end <= o.end) return s.begin + (begin - o.begin);
  }
  return std::string::npos;
}

// Cuts the rendered text so that our marks are template text, which may become control tokens.
Result<std::vector<TextSegment>> split_marks(std::span<const TextSegment> parts, const Composed& composed,
                                             size_t message) {
  std::vector<TextSegment> out;
  size_t found = 0;
  for (const TextSegment& part : parts) {
    size_t done = 0;
    for (const size_t mark : composed.marks) {
      const size_t at = find_content(part, message, mark, mark + kDocToken.size());
      if (at == std::string::npos) continue;
      if (at > done) out.push_back(part.slice(done, at));
      out.push_back({std::string(kDocToken), false});
      done = at + kDocToken.size();
      ++found;
    }
    if (done < part.text.size()) out.push_back(part.slice(done, part.text.size()));
  }
  if (found != composed.marks.size()) {
    return Error{ErrorCode::kUnsupported, "the model's chat template changes the message that holds the passages"};
  }
  return out;
}

// Where the question begins in the last message: behind the passages, its own or those that stand in it already.
size_t question_begin(std::string_view content, const Composed& composed) {
  if (composed.passages.empty()) return content.size() - asked_part(content).size();
  return content.find(kQuestion, composed.passages.back().second) + kQuestion.size();
}

Result<Prompt> tokenize(const Model& model, std::vector<ChatMessage> messages, const Composed& composed,
                        std::span<const Evidence> evidence, bool allow_special, const Json& tools = {}) {
  if (model.chat_template() == nullptr) {
    return Error{ErrorCode::kUnsupported, "the model has no chat template: " + model.chat_template_error()};
  }
  const std::string variables = tools.is_null() ? std::string() : Json{{"tools", tools}}.dump();
  KEDGE_ASSIGN(rendered,
               model.chat_template()->render_segments(messages, ChatOptions{.variables_json = variables, .now = {}}));
  KEDGE_ASSIGN(parts, split_marks(rendered, composed, messages.size() - 1));
  Prompt prompt;
  std::vector<size_t> begins;
  KEDGE_ASSIGN(ids, encode_chat(model.tokenizer(), parts, {.allow_special = allow_special}, &begins));
  prompt.tokens = std::move(ids);
  std::vector<ContentMark> marks;
  for (const auto& [begin, end] : composed.passages) {
    marks.push_back({.message = messages.size() - 1, .begin = begin, .end = end});
  }
  const std::string& content = messages.back().content;
  const size_t question = question_begin(content, composed);
  if (question < content.size()) {
    marks.push_back({.message = messages.size() - 1, .begin = question, .end = content.size()});
  }
  auto found = find_marked(parts, begins, messages.size(), marks);
  if (!found.ok() && evidence.empty()) return prompt;  // only the question is not known then
  KEDGE_ASSIGN(ranges, std::move(found));
  if (question < content.size() && ranges.marks.back().size() == 1) prompt.question = ranges.marks.back().front();
  for (size_t i = 0; i < evidence.size(); ++i) {
    for (const TokenRange& range : ranges.marks[i]) {
      prompt.segments.push_back({.first = range.first,
                                 .last = range.last,
                                 .kind = SegmentKind::kRetrieved,
                                 .pin = Pin::kSoft,
                                 .source_id = evidence[i].id});
    }
  }
  return prompt;
}

}  // namespace

Result<Prompt> build_prompt(const Model& model, const AskRequest& request, std::span<const Evidence> evidence) {
  std::vector<ChatMessage> messages = request.messages;
  if (evidence.empty()) {
    const Json tools = request.tool_choice == "none" ? Json() : request.tools;
    return tokenize(model, std::move(messages), {}, evidence, request.allow_special, tools);
  }
  const Composed composed = with_sources(model.tokenizer(), evidence, std::string(kQuestion) + request.question());
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

}  // namespace kedge::router
