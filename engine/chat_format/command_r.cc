// <|START_ACTION|>[{"tool_call_id": "0", "tool_name": ..., "parameters": {...}}]<|END_ACTION|>: Command R7B, A, Cohere
// 2 MoE. The ids begin at 0 in every answer and are nobody's.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/json_calls.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/tool_schema.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<|START_ACTION|>"};
constexpr std::string_view kEnd = "<|END_ACTION|>";
constexpr std::string_view kDropped[] = {"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"};
constexpr const char* kTriggers[] = {"<|START_ACTION|>"};
constexpr const char* kThink = "<|START_THINKING|>";
constexpr const char* kThought = "<|END_THINKING|>";

int fits(std::string_view t) { return t.find(kBegin[0]) != t.npos ? 100 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view) {
  return json_calls({.array = true, .end = kEnd}, options);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(MarkedForm{.reasoning_begin = kThink,
                                                   .reasoning_end = kThought,
                                                   .call_begins = kBegin,
                                                   .dropped = kDropped,
                                                   .parser = parser},
                                        options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  const NodeId number = into.repeat(into.chars({{'0', '9'}}), 1, 3);
  const auto call = [&](const ChatTool& tool, const std::string& pointer) -> Result<NodeId> {
    KEDGE_ASSIGN(object, json_arguments(tool, pointer, into));
    return into.sequence({into.text("{\"tool_call_id\": \""), number,
                          into.text("\", \"tool_name\": " + quoted(tool.name) + ", \"parameters\": "), object,
                          into.text("}")});
  };
  KEDGE_ASSIGN(one, any_tool(options, into, call));
  const NodeId several = one_or_more(options, one, into.text(",\n    "), into);
  return into.sequence({into.marker(kBegin[0]), into.text("[\n    "), several, into.text("\n]"), into.marker(kEnd)});
}

}  // namespace

extern constinit const ChatFormat command_r;
constinit const ChatFormat command_r = {"command-r", fits, reader, calls, kTriggers, kThink, kThought};

}  // namespace kedge::engine::formats
