// What the tests of chat formats share: a template of each family, which writes its answers, and what a reader makes of
// them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat_format.h"
#include "tokenizer/chat_template.h"

namespace kedge::engine::chat_cases {

using base::Json;

struct Call {
  std::string name;
  std::string arguments;
  std::string id = {};
  bool ended = false;
  bool operator==(const Call&) const = default;
};

struct Reading {
  std::string content;
  std::string reasoning;
  std::vector<Call> calls;
  std::string error;
  bool operator==(const Reading&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Reading& r) {
  out << "\ncontent " << Json(r.content).dump() << ", reasoning " << Json(r.reasoning).dump();
  for (const Call& c : r.calls) out << ", " << c.name << " " << c.id << " " << c.arguments << (c.ended ? "" : " ...");
  return out << ", error " << r.error;
}

inline void add(const std::vector<ChatEvent>& events, Reading& r) {
  for (const ChatEvent& e : events) {
    switch (e.kind) {
      case ChatEvent::Kind::kContent:
        r.content += e.text;
        break;
      case ChatEvent::Kind::kReasoning:
        r.reasoning += e.text;
        break;
      case ChatEvent::Kind::kCallBegin:
        if (e.call != r.calls.size()) r.error += "calls are not counted; ";
        r.calls.push_back({e.name, {}, e.id});
        break;
      case ChatEvent::Kind::kCallArguments:
        r.calls.at(e.call).arguments += e.text;
        break;
      case ChatEvent::Kind::kCallEnd:
        r.calls.at(e.call).ended = true;
        break;
    }
  }
}

// The text in these pieces.
inline Reading read(const ChatFormat& format, const ChatReadOptions& options,
                    const std::vector<std::string_view>& pieces) {
  const auto reader = format.reader(options);
  Reading r;
  std::vector<ChatEvent> events;
  Status status;
  for (const std::string_view piece : pieces) {
    if (status.ok()) status = reader->push(piece, events);
  }
  if (status.ok()) status = reader->end(events);
  add(events, r);
  if (!status.ok()) r.error += status.error().message;
  return r;
}

// Where characters begin, the end included.
inline std::vector<size_t> cuts(std::string_view text) {
  std::vector<size_t> out;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) out.push_back(i);
  }
  return out;
}

inline std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  const std::vector<size_t> at = cuts(text);
  for (size_t i = 0; i + 1 < at.size(); ++i) out.push_back(text.substr(at[i], at[i + 1] - at[i]));
  return out;
}

inline std::string family_template(const std::string& stem) {
  std::ifstream in(std::string(KEDGE_TEST_DATA) + "/templates/families/" + stem + ".jinja");
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline std::vector<std::string> families() {
  std::vector<std::string> stems;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(KEDGE_TEST_DATA) + "/templates/families")) {
    stems.push_back(entry.path().stem().string());
  }
  std::sort(stems.begin(), stems.end());
  return stems;
}

struct Answer {
  std::string content = {};
  std::string reasoning = {};
  std::vector<std::pair<std::string, Json>> calls = {};
};

// As the family's template writes it.
inline Result<std::string> written(const std::string& template_text, const Answer& answer) {
  KEDGE_ASSIGN(chat, tokenizer::ChatTemplate::parse(template_text, "", ""));
  Json extra = Json::object();
  if (!answer.reasoning.empty()) extra["reasoning_content"] = answer.reasoning;
  for (const auto& [name, arguments] : answer.calls) {
    extra["tool_calls"].push_back(
        {{"type", "function"}, {"id", "abcdefghi"}, {"function", {{"name", name}, {"arguments", arguments}}}});
  }
  const tokenizer::ChatMessage message{"assistant", answer.content, extra.dump()};
  return chat.render({&message, 1}, {.add_generation_prompt = false, .variables_json = {}, .now = {}});
}

// Tools with arguments of every kind.
inline ChatReadOptions with_tools() {
  ChatReadOptions options;
  options.tools = {{"get_weather", Json::parse(R"({"type": "object", "properties": {
      "city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"], "additionalProperties": false})")},
                   {"place-order", Json::parse(R"({"type": "object", "properties": {
      "address": {"type": "object", "properties": {"lines": {"type": "array", "items": {"type": "string"}},
                  "zip": {"type": ["string", "null"]}}, "required": ["lines", "zip"], "additionalProperties": false},
      "count": {"type": "number"}, "express": {"type": "boolean"}, "note": {"type": "string"}},
      "required": ["address", "count", "express"], "additionalProperties": false})")},
                   {"now", Json::parse(R"({"type": "object", "properties": {}, "additionalProperties": false})")}};
  return options;
}

inline Json paris() { return Json::parse(R"({"city": "Paris", "days": 3})"); }
// Members in the order of their names, which one of the families asks for.
inline Json order() {
  return Json::parse(
      R"({"address": {"lines": ["Straße \"7\"", "日本 \\ 🦊"], "zip": null}, "count": -1.5, "express": true,
          "note": "two\nlines, {[(it's)]} </x> & 'more'"})");
}

}  // namespace kedge::engine::chat_cases
