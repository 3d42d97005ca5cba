// <|tool_call>call:NAME{key:<|"|>text<|"|>,other:[1,2]}<tool_call|>, repeated; reasoning is the channel "thought":
// Gemma 4.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/gemma_schema.h"
#include "engine/chat_read/literal_calls.h"
#include "engine/chat_read/marked_reader.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<|tool_call>"};
constexpr std::string_view kEnd = "<tool_call|>";
constexpr const char* kTriggers[] = {"<|tool_call>"};
constexpr const char* kThink = "<|channel>thought\n";
constexpr const char* kThought = "<channel|>";

int fits(std::string_view t) { return t.find(kBegin[0]) != t.npos && t.find("<|turn>") != t.npos ? 100 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions&, std::string_view) {
  return literal_calls({.dialect = Dialect::kGemma, .name_begin = "call:", .end = kEnd});
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = kThink, .reasoning_end = kThought, .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  const auto call = [&](const ChatTool& tool, const std::string& pointer) -> Result<NodeId> {
    KEDGE_ASSIGN(object, gemma_object(tool.parameters, pointer, into));
    return into.sequence({into.marker(kBegin[0]), into.text("call:" + tool.name), object, into.marker(kEnd)});
  };
  KEDGE_ASSIGN(one, any_tool(options, into, call));
  return one_or_more(options, one, into.empty(), into);
}

}  // namespace

extern constinit const ChatFormat gemma4;
constinit const ChatFormat gemma4 = {"gemma4", fits, reader, calls, kTriggers, kThink, kThought};

}  // namespace kedge::engine::formats
