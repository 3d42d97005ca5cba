#include "router/answer_form.h"

#include <algorithm>

#include "engine/chat_options.h"

namespace kedge::router {
namespace {

// Tokens at the end of a prompt within which a marker of reasoning would stand.
constexpr size_t kTail = 32;

std::string_view trimmed(std::string_view s) {
  const size_t begin = s.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return s.substr(begin, s.find_last_not_of(" \t\r\n") + 1 - begin);
}

bool thinks(const Model& model) {
  const auto source = model.store().metadata().get_string("tokenizer.chat_template");
  return model.chat_format() != nullptr && source.ok() && has_reasoning(*source, *model.chat_format());
}

// Templates open reasoning for models that always think.
bool reasoning_is_open(const Model& model, std::span<const int32_t> prompt) {
  if (!thinks(model)) return false;
  const auto tail = model.tokenizer().decode(prompt.last(std::min(kTail, prompt.size())), {.skip_special = false});
  return tail.ok() && ends_in_reasoning(*tail, *model.chat_format());
}

Json chat_of(const AskRequest& request, bool reasoning_open) {
  Json chat = {{"tool_choice", request.tool_choice},
               {"parallel_tool_calls", request.parallel_calls},
               {"reasoning_open", reasoning_open}};
  if (!request.tools.is_null()) chat["tools"] = request.tools;
  return chat;
}

// The same for the reader.
ChatReadOptions read_of(const AskRequest& request, bool reasoning_open) {
  ChatReadOptions read;
  for (const Json& tool : request.tools) {
    const Json& function = tool["function"];
    read.tools.push_back({.name = function["name"], .parameters = function.value("parameters", Json())});
  }
  const Json* named = request.tool_choice.pointee("/function/name");
  read.choice = request.tool_choice == "none"       ? ToolChoice::kNone
                : request.tool_choice == "required" ? ToolChoice::kRequired
                : named != nullptr                  ? ToolChoice::kNamed
                                                    : ToolChoice::kAuto;
  if (named != nullptr) read.named = named->get<std::string>();
  read.parallel = request.parallel_calls;
  read.reasoning_open = reasoning_open;
  return read;
}

bool may_call(const AskRequest& request) { return !request.tools.is_null() && request.tool_choice != "none"; }

// `inner`: what an answer that is no call has to obey, null: nothing.
Json spec_of(const AskRequest& request, const Model& model, const Json& chat, const Json& inner) {
  Json spec = inner;
  if (may_call(request)) {
    spec = {{"chat", chat}};
    if (!inner.is_null()) spec["response"] = inner;
  }
  if (spec.is_null()) return spec;
  spec["reasoning"] = Json();
  if (thinks(model)) {
    const ChatFormat& format = *model.chat_format();
    spec["reasoning"] = {
        {"begin", format.reasoning_begin}, {"end", format.reasoning_end}, {"open", chat["reasoning_open"]}};
  }
  return spec;
}

}  // namespace

Result<AnswerForm> answer_form(const Model& model, const AskRequest& request, std::span<const int32_t> prompt) {
  AnswerForm form;
  form.format = model.chat_format();
  if (may_call(request) && (form.format == nullptr || form.format->calls == nullptr)) {
    return Error{ErrorCode::kUnsupported, "tools: the model's chat template writes calls in no known form"};
  }
  form.read = read_of(request, reasoning_is_open(model, prompt));
  const Json chat = chat_of(request, form.read.reasoning_open);
  const bool own = !request.constraint.is_null();
  const Json schema = own || request.schema.is_null() ? Json() : Json{{"json_schema", request.schema}};
  const Json spec = spec_of(request, model, chat, own ? request.constraint : schema);
  if (spec.is_null()) return form;
  auto constraint = model.constraints().get(spec.dump());
  if (!constraint.ok() && !schema.is_null() && constraint.error().code == ErrorCode::kUnsupported) {
    // The checks know keywords that no automaton can keep to: they have the last word.
    form.unenforced = constraint.error().message;
    const Json rest = spec_of(request, model, chat, {});
    if (rest.is_null()) return form;
    constraint = model.constraints().get(rest.dump());
  }
  KEDGE_TRY(constraint);
  form.constraint = *std::move(constraint);
  return form;
}

Json calls_json(std::span<const AnswerCall> calls) {
  Json list = Json::array();
  for (const AnswerCall& call : calls) {
    list.push_back(
        {{"id", call.id.empty() ? Json() : Json(call.id)}, {"name", call.name}, {"arguments", call.arguments}});
  }
  return list;
}

AnswerParts read_answer(const AnswerForm& form, std::string_view text) {
  AnswerParts parts;
  if (form.format == nullptr) {
    parts.content = text;
    return parts;
  }
  const auto reader = form.format->reader(form.read);
  std::vector<ChatEvent> events;
  Status good = reader->push(text, events);
  if (const Status ended = reader->end(events); good.ok()) good = ended;
  for (ChatEvent& event : events) {
    switch (event.kind) {
      case ChatEvent::Kind::kContent:
        parts.content += event.text;
        break;
      case ChatEvent::Kind::kReasoning:
        parts.reasoning += event.text;
        break;
      case ChatEvent::Kind::kCallBegin:
        parts.calls.push_back({.id = std::move(event.id), .name = std::move(event.name), .arguments = {}});
        break;
      case ChatEvent::Kind::kCallArguments:
        parts.calls.back().arguments += event.text;
        break;
      case ChatEvent::Kind::kCallEnd:
        break;
    }
  }
  parts.content = trimmed(parts.content);
  if (!good.ok()) parts.broken = good.error().message;
  return parts;
}

}  // namespace kedge::router
