// <｜DSML｜function_calls><｜DSML｜invoke name="NAME"><｜DSML｜parameter name="KEY"
// string="true">text</｜DSML｜parameter>
// </｜DSML｜invoke></｜DSML｜function_calls>: DeepSeek V3.2; V4 calls the section tool_calls.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/xml_calls.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<｜DSML｜function_calls>", "<｜DSML｜tool_calls>"};
constexpr std::string_view kEnd[] = {"</｜DSML｜function_calls>", "</｜DSML｜tool_calls>"};
constexpr const char* kTriggers[] = {"<｜DSML｜function_calls>", "<｜DSML｜tool_calls>"};

constexpr XmlCallForm form_of(std::string_view section_end) {
  return {.name_begin = "<｜DSML｜invoke name=\"",
          .name_end = "\">",
          .key_begin = "<｜DSML｜parameter name=\"",
          .key_end = "\" string=\"",
          .value_end = "</｜DSML｜parameter>",
          .call_end = "</｜DSML｜invoke>",
          .section_end = section_end,
          .says_string = true};
}

int fits(std::string_view t) { return t.find("｜DSML｜") != t.npos ? 110 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view marker) {
  return xml_calls(form_of(marker == kBegin[0] ? kEnd[0] : kEnd[1]), options);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  KEDGE_ASSIGN(call, xml_call(form_of(kEnd[0]), "\n", options, into));
  const NodeId line = into.text("\n");
  const NodeId several = into.sequence({line, one_or_more(options, call, line, into), line});
  return into.choice({into.sequence({into.marker(kBegin[0]), several, into.marker(kEnd[0])}),
                      into.sequence({into.marker(kBegin[1]), several, into.marker(kEnd[1])})});
}

}  // namespace

extern constinit const ChatFormat deepseek_dsml;
constinit const ChatFormat deepseek_dsml = {"deepseek-dsml", fits, reader, calls, kTriggers, "<think>", "</think>"};

}  // namespace kedge::engine::formats
