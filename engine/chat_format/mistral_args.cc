// [TOOL_CALLS]NAME[ARGS]{...}, repeated: Mistral Small 3.2, Ministral 3, Devstral, Magistral.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/marked_reader.h"
#include "engine/chat_read/named_calls.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"[TOOL_CALLS]"};
constexpr const char* kTriggers[] = {"[TOOL_CALLS]"};
constexpr NamedCallForm kForm = {.id_begin = "[CALL_ID]", .name_end = "[ARGS]", .name_end_may_miss = true};

int fits(std::string_view t) { return t.find(kBegin[0]) != t.npos && t.find(kForm.name_end) != t.npos ? 100 : 0; }

std::unique_ptr<CallParser> parser(const ChatReadOptions&, std::string_view) { return named_calls(kForm); }

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(
      MarkedForm{.reasoning_begin = "[THINK]", .reasoning_end = "[/THINK]", .call_begins = kBegin, .parser = parser},
      options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  const auto call = [&](const ChatTool& tool, const std::string& pointer) -> Result<NodeId> {
    KEDGE_ASSIGN(object, json_arguments(tool, pointer, into));
    return into.sequence({into.marker(kBegin[0]), into.text(tool.name), into.marker(kForm.name_end), object});
  };
  KEDGE_ASSIGN(one, any_tool(options, into, call));
  return one_or_more(options, one, into.empty(), into);
}

}  // namespace

extern constinit const ChatFormat mistral_args;
constinit const ChatFormat mistral_args = {"mistral-args", fits, reader, calls, kTriggers, "[THINK]", "[/THINK]"};

}  // namespace kedge::engine::formats
