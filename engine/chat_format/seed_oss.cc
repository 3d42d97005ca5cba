// <seed:tool_call><function=NAME><parameter=KEY>text</parameter></function></seed:tool_call>: Seed-OSS.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/xml_calls.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<seed:tool_call>"};
constexpr const char* kTriggers[] = {"<seed:tool_call>"};
constexpr XmlCallForm kForm = {.name_begin = "<function=",
                               .name_end = ">",
                               .key_begin = "<parameter=",
                               .key_end = ">",
                               .value_end = "</parameter>",
                               .call_end = "</function>",
                               .section_end = "</seed:tool_call>"};

int fits(std::string_view t) { return t.find("seed:tool_call>") != t.npos ? 100 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view) {
  return xml_calls(kForm, options);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{
          .reasoning_begin = "<seed:think>", .reasoning_end = "</seed:think>", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  KEDGE_ASSIGN(call, xml_call(kForm, "\n", options, into));
  const NodeId line = into.text("\n");
  const NodeId one = into.sequence({into.marker(kBegin[0]), line, call, line, into.marker(kForm.section_end)});
  return one_or_more(options, one, line, into);
}

}  // namespace

extern constinit const ChatFormat seed_oss;
constinit const ChatFormat seed_oss = {"seed-oss", fits, reader, calls, kTriggers, "<seed:think>", "</seed:think>"};

}  // namespace kedge::engine::formats
