// <TOOLCALL>[{"name": ..., "arguments": {...}}]</TOOLCALL>: Nemotron Nano v2, Llama Nemotron.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/json_calls.h"
#include "engine/chat_read/marked_reader.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<TOOLCALL>"};
constexpr const char* kTriggers[] = {"<TOOLCALL>"};

int fits(std::string_view t) { return t.find(kBegin[0]) != t.npos ? 100 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view) {
  return json_calls({.array = true, .end = "</TOOLCALL>"}, options);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  KEDGE_ASSIGN(call, json_call(options, "name", "arguments", into));
  const NodeId several = one_or_more(options, call, into.text(", "), into);
  return into.sequence({into.marker(kBegin[0]), into.text("["), several, into.text("]"), into.marker("</TOOLCALL>")});
}

}  // namespace

extern constinit const ChatFormat nemotron_nano;
constinit const ChatFormat nemotron_nano = {"nemotron-nano", fits, reader, calls, kTriggers, "<think>", "</think>"};

}  // namespace kedge::engine::formats
