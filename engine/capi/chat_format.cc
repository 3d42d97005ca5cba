// The C interface: how a model writes reasoning and tool calls, and readers of its answers.
#include "engine/chat_format.h"

#include "engine/capi/handles.h"
#include "engine/chat_options.h"
#include "include/kedge/kedge_generation.h"
#include "kernels/base/json.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

struct kedge_chat_reader {
  std::unique_ptr<ChatReader> reader;
};

namespace {

// Answers of a model whose template is of no known form: content and nothing else.
class PlainReader final : public ChatReader {
 public:
  Status push(std::string_view text, std::vector<ChatEvent>& out) override {
    if (!text.empty()) out.push_back({.kind = ChatEvent::Kind::kContent, .text = std::string(text)});
    return {};
  }
  Status end(std::vector<ChatEvent>&) override { return {}; }
};

Json describe(const Model& model) {
  const ChatFormat* format = model.chat_format();
  Json out = {{"format", nullptr}, {"reasoning", nullptr}, {"triggers", Json::array()}, {"tools", false}};
  if (format == nullptr) return out;
  out["format"] = format->name;
  const auto source = model.store().metadata().get_string("tokenizer.chat_template");
  if (source.ok() && has_reasoning(*source, *format)) {
    out["reasoning"] = Json::array({format->reasoning_begin, format->reasoning_end});
  }
  for (const char* trigger : format->triggers) out["triggers"].push_back(trigger);
  out["tools"] = !format->triggers.empty();
  return out;
}

Json event_json(const ChatEvent& event) {
  switch (event.kind) {
    case ChatEvent::Kind::kContent:
      return {{"content", event.text}};
    case ChatEvent::Kind::kReasoning:
      return {{"reasoning", event.text}};
    case ChatEvent::Kind::kCallBegin:
      return {{"call", event.call}, {"name", event.name}, {"id", event.id.empty() ? Json() : Json(event.id)}};
    case ChatEvent::Kind::kCallArguments:
      return {{"call", event.call}, {"arguments", event.text}};
    default:
      return {{"call", event.call}, {"end", true}};
  }
}

Result<std::unique_ptr<ChatReader>> make_reader(const Model& model, std::string_view text) {
  KEDGE_ASSIGN(json, text.empty() ? Result<Json>(Json::object()) : parse_json(text, "options"));
  const ChatFormat* format = model.chat_format();
  if (format != nullptr) {
    KEDGE_ASSIGN(options, read_chat_options(json, *format));
    return format->reader(options);
  }
  if (json.is_object() && json.contains("tools") && !json["tools"].is_null() && !json["tools"].empty()) {
    return Error{ErrorCode::kUnsupported,
                 "the model's chat template has no form of tool calls that is known: it takes no tools"};
  }
  return std::unique_ptr<ChatReader>(std::make_unique<PlainReader>());
}

}  // namespace

extern "C" {

kedge_status kedge_chat_format(const kedge_model* model, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_TRY(not_null(model, "model"));
    return give_text(describe(*model->model).dump(), json, json_size);
  });
}

kedge_status kedge_chat_reader_create(const kedge_model* model, const char* options, size_t options_size,
                                      kedge_chat_reader** reader) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(reader, "the output pointer"));
    *reader = nullptr;
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(view, in_text(options, options_size, "options"));
    KEDGE_ASSIGN(made, make_reader(*model->model, view));
    *reader = new kedge_chat_reader{std::move(made)};
    return {};
  });
}

kedge_status kedge_chat_reader_push(kedge_chat_reader* reader, const char* text, size_t text_size, int end,
                                    char** events, size_t* events_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(events, events_size));
    KEDGE_TRY(not_null(reader, "reader"));
    KEDGE_ASSIGN(view, in_text(text, text_size, "text"));
    std::vector<ChatEvent> out;
    Status status = reader->reader->push(view, out);
    if (status.ok() && end != 0) status = reader->reader->end(out);
    Json list = Json::array();
    for (const ChatEvent& event : out) list.push_back(event_json(event));
    KEDGE_TRY(give_text(list.dump(), events, events_size));
    return status;
  });
}

void kedge_chat_reader_free(kedge_chat_reader* reader) { delete reader; }

}  // extern "C"
