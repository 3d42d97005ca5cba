// <tool_call>{"name": ..., "arguments": {...}}</tool_call>, one behind the other: Hermes, Qwen 2.5 and 3, Granite 4,
// EXAONE 4, SmolLM3, MiMo, Bielik.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/json_calls.h"
#include "engine/chat_read/marked_reader.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<tool_call>"};
constexpr std::string_view kEnd = "</tool_call>";
constexpr const char* kTriggers[] = {"<tool_call>"};

int fits(std::string_view t) {
  const bool other = t.find("<invoke name=") != t.npos || t.find("<tool_calls>") != t.npos;  // MiniMax M3, Apriel
  return t.find(kBegin[0]) != t.npos && !other ? 50 : 0;
}

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view) {
  return json_calls({.end = kEnd}, options);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  KEDGE_ASSIGN(call, json_call(options, "name", "arguments", into));
  const NodeId one = into.sequence({into.marker(kBegin[0]), into.text("\n"), call, into.text("\n"), into.marker(kEnd)});
  return one_or_more(options, one, into.text("\n"), into);
}

}  // namespace

extern constinit const ChatFormat hermes;
constinit const ChatFormat hermes = {"hermes", fits, reader, calls, kTriggers, "<think>", "</think>"};

}  // namespace kedge::engine::formats
