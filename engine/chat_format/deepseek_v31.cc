// DeepSeek V3.1:
// <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{...}<｜tool▁call▁end｜><｜tool▁calls▁end｜>
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/named_calls.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<｜tool▁calls▁begin｜>"};
constexpr const char* kTriggers[] = {"<｜tool▁calls▁begin｜>"};
constexpr NamedCallForm kForm = {.call_begin = "<｜tool▁call▁begin｜>",
                                 .name_end = "<｜tool▁sep｜>",
                                 .call_end = "<｜tool▁call▁end｜>",
                                 .section_end = "<｜tool▁calls▁end｜>"};

int fits(std::string_view t) { return t.find(kBegin[0]) != t.npos ? 90 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions&, std::string_view) { return named_calls(kForm); }

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  const auto call = [&](const ChatTool& tool, const std::string& pointer) -> Result<NodeId> {
    KEDGE_ASSIGN(object, json_arguments(tool, pointer, into));
    return into.sequence({into.marker(kForm.call_begin), into.text(tool.name), into.marker(kForm.name_end), object,
                          into.marker(kForm.call_end)});
  };
  KEDGE_ASSIGN(one, any_tool(options, into, call));
  return into.sequence(
      {into.marker(kBegin[0]), one_or_more(options, one, into.empty(), into), into.marker(kForm.section_end)});
}

}  // namespace

extern constinit const ChatFormat deepseek_v31;
constinit const ChatFormat deepseek_v31 = {"deepseek-v3.1", fits, reader, calls, kTriggers, "<think>", "</think>"};

}  // namespace kedge::engine::formats
