// <|tool_call_start|>[f(a=1, b="x"), g()]<|tool_call_end|>, calls in Python's syntax: LFM2, LFM2.5.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/literal_calls.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/tool_schema.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<|tool_call_start|>"};
constexpr std::string_view kEnd = "<|tool_call_end|>";
constexpr const char* kTriggers[] = {"<|tool_call_start|>"};

int fits(std::string_view t) {
  if (t.find(kBegin[0]) != t.npos) return 100;
  const bool lists = t.find("List of tools: [") != t.npos || t.find("List of tools: <|tool_list_start|>") != t.npos;
  return lists ? 60 : 0;  // a template that leaves calls to the message's text
}

std::unique_ptr<CallParser> parser(const ChatReadOptions&, std::string_view) {
  return literal_calls({.dialect = Dialect::kPython, .list = true, .end = kEnd});
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>", .call_begins = kBegin, .parser = parser},
      options);
}

// Values as JSON, which but for three words is Python; those stand alone as Python has them.
Result<NodeId> value_of(const ChatTool& tool, const Argument& a, Grammar& into) {
  const base::Json* schema = a.schema == nullptr ? nullptr : resolved(*a.schema, tool.parameters);
  const unsigned kinds = schema == nullptr ? unsigned{kAnyKind} : kinds_of(*schema, tool.parameters);
  if (kinds == kBoolean && !schema->contains("enum") && !schema->contains("const")) {
    return into.choice({into.text("True"), into.text("False")});
  }
  if (kinds == kNull) return into.text("None");
  return json_value(a, tool.parameters, into);
}

Result<NodeId> arguments(const ChatTool& tool, const std::string& pointer, Grammar& into) {
  KEDGE_ASSIGN(list, arguments_of(tool.parameters, tool.parameters, pointer));
  std::vector<Part> parts;
  for (const Argument& a : list) {
    KEDGE_ASSIGN(value, value_of(tool, a, into));
    if (!a.name.empty()) {
      parts.push_back({into.sequence({into.text(a.name + "="), value}), a.required});
      continue;
    }
    const NodeId letter = into.chars({{'a', 'z'}, {'A', 'Z'}, {'_', '_'}});
    const NodeId more = into.repeat(into.chars({{'a', 'z'}, {'A', 'Z'}, {'_', '_'}, {'0', '9'}}), 0, 63);
    const NodeId any = into.sequence({letter, more, into.text("="), value});
    parts.push_back({into.sequence({any, into.repeat(into.sequence({into.text(", "), any}), 0)}), false});
  }
  return separated(parts, ", ", into);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  const auto call = [&](const ChatTool& tool, const std::string& pointer) -> Result<NodeId> {
    KEDGE_ASSIGN(inside, arguments(tool, pointer, into));
    return into.sequence({into.text(tool.name + "("), inside, into.text(")")});
  };
  KEDGE_ASSIGN(one, any_tool(options, into, call));
  const NodeId several = one_or_more(options, one, into.text(", "), into);
  return into.sequence({into.marker(kBegin[0]), into.text("["), several, into.text("]"), into.marker(kEnd)});
}

}  // namespace

extern constinit const ChatFormat lfm2;
constinit const ChatFormat lfm2 = {"lfm2", fits, reader, calls, kTriggers, "<think>", "</think>"};

}  // namespace kedge::engine::formats
