// [TOOL_CALLS] [{"name": ..., "arguments": {...}}]: Mistral 7B v0.3, Nemo, Small until 3.1.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/json_calls.h"
#include "engine/chat_read/marked_reader.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"[TOOL_CALLS]"};
constexpr const char* kTriggers[] = {"[TOOL_CALLS]"};

int fits(std::string_view t) { return t.find(kBegin[0]) != t.npos ? 60 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view) {
  return json_calls({.array = true}, options);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "[THINK]", .reasoning_end = "[/THINK]", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  KEDGE_ASSIGN(call, json_call(options, "name", "arguments", into));
  const NodeId several = one_or_more(options, call, into.text(", "), into);
  return into.sequence(
      {into.marker(kBegin[0]), into.optional(into.text(" ")), into.text("["), several, into.text("]")});
}

}  // namespace

extern constinit const ChatFormat mistral;
constinit const ChatFormat mistral = {"mistral", fits, reader, calls, kTriggers, "[THINK]", "[/THINK]"};

}  // namespace kedge::engine::formats
