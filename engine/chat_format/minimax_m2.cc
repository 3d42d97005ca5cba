// <minimax:tool_call><invoke name="NAME"><parameter name="KEY">text</parameter></invoke></minimax:tool_call>: MiniMax
// M2.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/xml_calls.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<minimax:tool_call>"};
constexpr const char* kTriggers[] = {"<minimax:tool_call>"};
constexpr XmlCallForm kForm = {.name_begin = "<invoke name=\"",
                               .name_end = "\">",
                               .key_begin = "<parameter name=\"",
                               .key_end = "\">",
                               .value_end = "</parameter>",
                               .call_end = "</invoke>",
                               .section_end = "</minimax:tool_call>"};

int fits(std::string_view t) { return t.find(kBegin[0]) != t.npos ? 100 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view) {
  return xml_calls(kForm, options);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  KEDGE_ASSIGN(call, xml_call(kForm, "\n", options, into));
  const NodeId line = into.text("\n");
  return into.sequence(
      {into.marker(kBegin[0]), line, one_or_more(options, call, line, into), line, into.marker(kForm.section_end)});
}

}  // namespace

extern constinit const ChatFormat minimax_m2;
constinit const ChatFormat minimax_m2 = {"minimax-m2", fits, reader, calls, kTriggers, "<think>", "</think>"};

}  // namespace kedge::engine::formats
