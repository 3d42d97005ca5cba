// <tool_call>NAME<arg_key>KEY</arg_key><arg_value>text</arg_value></tool_call>: GLM 4.5 to 4.7, Laguna.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/xml_calls.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<tool_call>"};
constexpr const char* kTriggers[] = {"<tool_call>"};
constexpr XmlCallForm kForm = {.key_begin = "<arg_key>",
                               .key_end = "</arg_key>",
                               .value_begin = "<arg_value>",
                               .value_end = "</arg_value>",
                               .call_end = "</tool_call>"};

int fits(std::string_view t) { return t.find(kForm.key_begin) != t.npos ? 90 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view) {
  return xml_calls(kForm, options);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>", .call_begins = kBegin, .parser = parser},
      options);
}

// GLM 4.5 and 4.6 write a line for each part, later ones none.
Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  KEDGE_ASSIGN(lines, xml_call(kForm, "\n", options, into));
  KEDGE_ASSIGN(dense, xml_call(kForm, "", options, into));
  const NodeId one = into.sequence({into.marker(kBegin[0]), into.choice({lines, dense})});
  return one_or_more(options, one, into.optional(into.text("\n")), into);
}

}  // namespace

extern constinit const ChatFormat glm;
constinit const ChatFormat glm = {"glm", fits, reader, calls, kTriggers, "<think>", "</think>"};

}  // namespace kedge::engine::formats
