#include "tokenizer/chat_template.h"

#include <algorithm>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/json_value.h"
#include "tokenizer/jinja/parser.h"

namespace kedge::tokenizer {

struct ChatTemplate::Parsed {
  jinja::Body body;
  jinja::Limits limits;
  std::string bos_token;
  std::string eos_token;

  Result<jinja::Text> run(std::span<const ChatMessage> messages, const ChatOptions& options, bool takes_parts) const;
  bool takes_parts() const;
};

namespace {

using jinja::Dict;
using jinja::Heap;
using jinja::Interpreter;
using jinja::Text;
using jinja::Value;

constexpr std::string_view kOwnVariables[] = {"messages", "add_generation_prompt", "bos_token", "eos_token"};
constexpr std::string_view kKnownRoles[] = {"system", "user", "assistant", "tool", "developer"};

Error prefixed(Error e) {
  e.message = "chat template: " + e.message;
  return e;
}

// Template authors write '<|' + message.role + '|>' and mean the special token, so known roles are no input.
Value role_value(Heap& heap, std::string_view role) {
  const bool known = std::find(std::begin(kKnownRoles), std::end(kKnownRoles), role) != std::end(kKnownRoles);
  return heap.string(Text(role, !known));
}

Result<Dict> parse_object(Heap& heap, std::string_view json, std::string_view what, const TextOrigin& origin = {}) {
  if (json.empty()) return Dict();
  KEDGE_ASSIGN(v, jinja::parse_json(heap, json, what, origin));
  if (!v.is_dict()) return Error{ErrorCode::kInvalidArgument, std::string(what) + ": it must be a JSON object"};
  return v.dict();
}

bool is_text_part(const Value& part) {
  if (!part.is_dict()) return false;
  const Value* type = part.dict().find("type");
  const Value* text = part.dict().find("text");
  return type != nullptr && type->is_string() && type->text().view() == "text" && text != nullptr && text->is_string();
}

Text part_text(const Value& part, size_t message, size_t index) {
  const std::string& bytes = part.dict().find("text")->text().bytes();
  return Text(bytes, {static_cast<int32_t>(message), static_cast<int32_t>(index), 0, bytes.size()});
}

// The same parts, their texts knowing where they are from.
Value located_parts(Heap& heap, const Value& content, size_t message) {
  jinja::List parts = content.items();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!is_text_part(parts[i])) continue;
    Dict part = parts[i].dict();
    part.set(Value::literal("text"), heap.string(part_text(parts[i], message, i)));
    parts[i] = heap.dict(std::move(part));
  }
  return heap.list(std::move(parts));
}

// Parts of text as one, for templates that expect a string; another kind of part is left to the template.
Value joined_parts(Heap& heap, const Value& content, size_t message) {
  const jinja::List& parts = content.items();
  if (!std::all_of(parts.begin(), parts.end(), is_text_part)) return content;
  Text all;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) all.append("\n", TextOrigin());
    all.append(part_text(parts[i], message, i));
  }
  return heap.string(std::move(all));
}

Result<Value> message_value(Heap& heap, const ChatMessage& m, size_t index, bool takes_parts) {
  const auto message = static_cast<int32_t>(index);
  Dict dict;
  dict.set(Value::literal("role"), role_value(heap, m.role));
  dict.set(Value::literal("content"),
           heap.string(Text(m.content, {message, TextOrigin::kContent, 0, m.content.size()})));
  KEDGE_ASSIGN(extra, parse_object(heap, m.extra_json, "extra_json of a message", {message, TextOrigin::kOther, 0, 0}));
  for (const auto& [key, v] : extra.entries()) {
    if (key.text().view() == "role" && v.is_string()) {
      dict.set(key, role_value(heap, v.text().view()));
    } else if (key.text().view() == "content" && v.is_list()) {
      dict.set(key, takes_parts ? located_parts(heap, v, index) : joined_parts(heap, v, index));
    } else {
      dict.set(key, v);
    }
  }
  return heap.dict(std::move(dict));
}

Status define_variables(Interpreter& in, const Value& extra) {
  for (const auto& [key, v] : extra.dict().entries()) {
    const std::string_view name = key.text().view();
    if (std::find(std::begin(kOwnVariables), std::end(kOwnVariables), name) != std::end(kOwnVariables)) {
      return Error{ErrorCode::kInvalidArgument, "variables_json may not set '" + std::string(name) + "'"};
    }
    in.define(name, v);
  }
  return {};
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string_view bos_token,
                                         std::string_view eos_token, const jinja::Limits& limits) {
  if (source.size() > limits.max_source_bytes) {
    return Error{ErrorCode::kCapacity, "chat template: it has " + std::to_string(source.size()) + " bytes, more than " +
                                           std::to_string(limits.max_source_bytes) + " (limit max_source_bytes)"};
  }
  auto tokens = jinja::tokenize(source);
  if (!tokens.ok()) return prefixed(std::move(tokens).error());
  auto body = jinja::Parser(std::move(*tokens), limits).parse();
  if (!body.ok()) return prefixed(std::move(body).error());
  auto parsed = std::make_shared<Parsed>();
  parsed->body = std::move(*body);
  parsed->limits = limits;
  parsed->bos_token = bos_token;
  parsed->eos_token = eos_token;
  return ChatTemplate(std::shared_ptr<const Parsed>(std::move(parsed)));
}

Result<Text> ChatTemplate::Parsed::run(std::span<const ChatMessage> messages, const ChatOptions& options,
                                       bool takes_parts) const {
  Interpreter in(limits, options.now);
  Heap& heap = in.heap();
  KEDGE_ASSIGN(dict, parse_object(heap, options.variables_json, "variables_json"));
  const Value extra = heap.dict(std::move(dict));  // keeps the variables' names alive
  // As Hugging Face does: both are always there, none when not given.
  in.define("tools", Value::none());
  in.define("documents", Value::none());
  in.define("add_generation_prompt", Value::boolean(options.add_generation_prompt));
  in.define("bos_token", heap.string(bos_token));
  in.define("eos_token", heap.string(eos_token));
  KEDGE_TRY(define_variables(in, extra));
  jinja::List list;
  for (const ChatMessage& m : messages) {
    KEDGE_ASSIGN(v, message_value(heap, m, list.size(), takes_parts));
    list.push_back(std::move(v));
  }
  in.define("messages", heap.list(std::move(list)));
  return in.run(body);
}

// Whether the template reads a list of parts: one that does not prints it as Python would, or fails.
bool ChatTemplate::Parsed::takes_parts() const {
  const ChatMessage probe{"user", "", R"({"content":[{"type":"text","text":"words"}]})"};
  const auto text = run({&probe, 1}, {}, true);
  if (!text.ok() || text->bytes().find("'type'") != std::string::npos) return false;
  return std::any_of(text->input().begin(), text->input().end(),
                     [](const Text::Range& r) { return r.origin.part == 0; });
}

Result<std::vector<TextSegment>> ChatTemplate::render_segments(std::span<const ChatMessage> messages,
                                                               const ChatOptions& options) const {
  const bool may_have_parts = std::any_of(messages.begin(), messages.end(), [](const ChatMessage& m) {
    return m.extra_json.find("\"content\"") != std::string::npos;
  });
  auto text = parsed_->run(messages, options, may_have_parts && parsed_->takes_parts());
  if (!text.ok()) return prefixed(std::move(text).error());

  std::vector<TextSegment> out;
  const auto add_own = [&](size_t begin, size_t end) {
    if (begin < end) out.push_back({text->bytes().substr(begin, end - begin), false});
  };
  size_t at = 0;
  for (const Text::Range& r : text->input()) {
    add_own(at, r.begin);
    if (out.empty() || !out.back().from_input) out.push_back({"", true});
    TextSegment& segment = out.back();
    const size_t begin = segment.text.size();
    segment.text.append(text->bytes(), r.begin, r.end - r.begin);
    segment.sources.push_back({begin, segment.text.size(), r.origin});
    at = r.end;
  }
  add_own(at, text->size());
  return out;
}

TextSegment TextSegment::slice(size_t begin, size_t end) const {
  TextSegment out{text.substr(begin, end - begin), from_input};
  for (const Source& s : sources) {
    Source cut = s;
    cut.begin = std::max(s.begin, begin);
    cut.end = std::min(s.end, end);
    if (cut.begin >= cut.end) continue;
    if (s.origin.has_bytes() && s.end - s.begin == s.origin.end - s.origin.begin) {
      cut.origin.end = s.origin.begin + (cut.end - s.begin);
      cut.origin.begin = s.origin.begin + (cut.begin - s.begin);
    }
    cut.begin -= begin;
    cut.end -= begin;
    out.sources.push_back(cut);
  }
  return out;
}

Result<std::string> ChatTemplate::render(std::span<const ChatMessage> messages, const ChatOptions& options) const {
  KEDGE_ASSIGN(segments, render_segments(messages, options));
  std::string out;
  for (const TextSegment& s : segments) out += s.text;
  return out;
}

}  // namespace kedge::tokenizer
