#include "tokenizer/chat_template.h"

#include <algorithm>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/json_value.h"
#include "tokenizer/jinja/parser.h"

namespace kedge {

struct ChatTemplate::Parsed {
  jinja::Body body;
  jinja::Limits limits;
  std::string bos_token;
  std::string eos_token;
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

Result<Dict> parse_object(Heap& heap, std::string_view json, std::string_view what) {
  if (json.empty()) return Dict();
  KEDGE_ASSIGN(v, jinja::parse_json(heap, json, what));
  if (!v.is_dict()) return Error{ErrorCode::kInvalidArgument, std::string(what) + ": it must be a JSON object"};
  return v.dict();
}

Result<Value> message_value(Heap& heap, const ChatMessage& m) {
  Dict dict;
  dict.set(Value::literal("role"), role_value(heap, m.role));
  dict.set(Value::literal("content"), heap.string(Text(m.content, true)));
  KEDGE_ASSIGN(extra, parse_object(heap, m.extra_json, "extra_json of a message"));
  for (const auto& [key, v] : extra.entries()) {
    const bool role = key.text().view() == "role" && v.is_string();
    dict.set(key, role ? role_value(heap, v.text().view()) : v);
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

Result<std::vector<TextSegment>> ChatTemplate::render_segments(std::span<const ChatMessage> messages,
                                                               const ChatOptions& options) const {
  Interpreter in(parsed_->limits, options.now);
  Heap& heap = in.heap();
  const auto render_text = [&](const Value& extra) -> Result<Text> {
    // As Hugging Face does: both are always there, none when not given.
    in.define("tools", Value::none());
    in.define("documents", Value::none());
    in.define("add_generation_prompt", Value::boolean(options.add_generation_prompt));
    in.define("bos_token", heap.string(parsed_->bos_token));
    in.define("eos_token", heap.string(parsed_->eos_token));
    KEDGE_TRY(define_variables(in, extra));
    jinja::List list;
    for (const ChatMessage& m : messages) {
      KEDGE_ASSIGN(v, message_value(heap, m));
      list.push_back(std::move(v));
    }
    in.define("messages", heap.list(std::move(list)));
    return in.run(parsed_->body);
  };
  auto dict = parse_object(heap, options.variables_json, "variables_json");
  if (!dict.ok()) return prefixed(std::move(dict).error());
  const Value extra = heap.dict(std::move(*dict));  // keeps the variables' names alive
  auto text = render_text(extra);
  if (!text.ok()) return prefixed(std::move(text).error());

  std::vector<TextSegment> out;
  const auto add = [&](size_t begin, size_t end, bool from_input) {
    if (begin < end) out.push_back({text->bytes().substr(begin, end - begin), from_input});
  };
  size_t at = 0;
  for (const Text::Range& r : text->input()) {
    add(at, r.begin, false);
    add(r.begin, r.end, true);
    at = r.end;
  }
  add(at, text->size(), false);
  return out;
}

Result<std::string> ChatTemplate::render(std::span<const ChatMessage> messages, const ChatOptions& options) const {
  KEDGE_ASSIGN(segments, render_segments(messages, options));
  std::string out;
  for (const TextSegment& s : segments) out += s.text;
  return out;
}

}  // namespace kedge
