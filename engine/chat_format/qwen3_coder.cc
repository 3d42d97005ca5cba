// <tool_call><function=NAME><parameter=KEY>text</parameter></function></tool_call>, of the types that the tool's schema
// says: Qwen3-Coder, Qwen 3.5 and later, Nemotron 3, Step 3.5.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/xml_calls.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<tool_call>", "<function="};  // the first is often forgotten
constexpr const char* kTriggers[] = {"<tool_call>", "<function="};
constexpr XmlCallForm kForm = {.name_begin = "<function=",
                               .name_end = ">",
                               .key_begin = "<parameter=",
                               .key_end = ">",
                               .value_end = "</parameter>",
                               .call_end = "</function>",
                               .section_end = "</tool_call>",
                               .value_lines = true};

int fits(std::string_view t) {
  return t.find(kBegin[0]) != t.npos && t.find(kForm.name_begin) != t.npos && t.find(kForm.key_begin) != t.npos ? 80
                                                                                                                : 0;
}

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view marker) {
  return xml_calls(kForm, options, marker == kForm.name_begin);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  KEDGE_ASSIGN(call, xml_call(kForm, "\n", options, into));
  const NodeId begin = into.optional(into.sequence({into.marker(kBegin[0]), into.text("\n")}));
  const NodeId one = into.sequence({begin, call, into.text("\n"), into.marker(kForm.section_end)});
  return one_or_more(options, one, into.text("\n"), into);
}

}  // namespace

extern constinit const ChatFormat qwen3_coder;
constinit const ChatFormat qwen3_coder = {"qwen3-coder", fits, reader, calls, kTriggers, "<think>", "</think>"};

}  // namespace kedge::engine::formats
