// <think>reasoning</think> and no tools: models whose templates have no form of calls that is known here.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/marked_reader.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

int fits(std::string_view t) { return t.find("</think>") != t.npos ? 1 : 0; }

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(MarkedForm{.reasoning_begin = "<think>", .reasoning_end = "</think>"}, options);
}

Result<NodeId> calls(const ChatReadOptions&, Grammar&) {
  return Error{ErrorCode::kUnsupported, "this model's chat template has no form of tool calls that is known"};
}

}  // namespace

extern constinit const ChatFormat think;
constinit const ChatFormat think = {"think", fits, reader, calls, {}, "<think>", "</think>"};

}  // namespace kedge::engine::formats
