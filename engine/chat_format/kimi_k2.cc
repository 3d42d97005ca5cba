// <|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:NUMBER<|tool_call_argument_begin|>{...}<|tool_call_end|>
// <|tool_calls_section_end|>: Kimi K2. "functions.NAME:NUMBER" is the call's id.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/named_calls.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<|tool_calls_section_begin|>"};
constexpr const char* kTriggers[] = {"<|tool_calls_section_begin|>"};
constexpr NamedCallForm kForm = {.call_begin = "<|tool_call_begin|>",
                                 .name_prefix = "functions.",
                                 .numbered = true,
                                 .name_end = "<|tool_call_argument_begin|>",
                                 .call_end = "<|tool_call_end|>",
                                 .section_end = "<|tool_calls_section_end|>"};

int fits(std::string_view t) { return t.find(kBegin[0]) != t.npos ? 100 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions&, std::string_view) { return named_calls(kForm); }

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  const auto call = [&](const ChatTool& tool, const std::string& pointer) -> Result<NodeId> {
    KEDGE_ASSIGN(object, json_arguments(tool, pointer, into));
    return into.sequence({into.marker(kForm.call_begin), into.text("functions." + tool.name + ":"),
                          into.repeat(into.chars({{'0', '9'}}), 1, 4), into.marker(kForm.name_end), object,
                          into.marker(kForm.call_end)});
  };
  KEDGE_ASSIGN(one, any_tool(options, into, call));
  return into.sequence(
      {into.marker(kBegin[0]), one_or_more(options, one, into.empty(), into), into.marker(kForm.section_end)});
}

}  // namespace

extern constinit const ChatFormat kimi_k2;
constinit const ChatFormat kimi_k2 = {"kimi-k2", fits, reader, calls, kTriggers, "<think>", "</think>"};

}  // namespace kedge::engine::formats
