// {"name": ..., "parameters": {...}} where an answer begins, or behind <|python_tag|>, there also
// NAME.call(key="text"): Llama 3.1 to 3.3. Several are separated by ';'.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/json_calls.h"
#include "engine/chat_read/literal_calls.h"
#include "engine/chat_read/marked_reader.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBegin[] = {"<|python_tag|>"};
constexpr const char* kTriggers[] = {"<|python_tag|>", "{\"name\": \"", "{\"name\":\""};

int fits(std::string_view t) {
  const bool header = t.find("<|start_header_id|>") != t.npos && t.find("<function=") == t.npos;  // functionary
  return header && (t.find(kBegin[0]) != t.npos || t.find("\"parameters\": ") != t.npos) ? 40 : 0;
}

// Behind the tag, whichever of both it is.
class TaggedCalls final : public CallParser {
 public:
  explicit TaggedCalls(const ChatReadOptions& options) : options_(options) {}

  Result<Read> read(std::string_view& text, bool last, Events& events) override {
    if (calls_ == nullptr) {
      text = without_leading_spaces(text);
      if (text.empty()) {
        if (last) return cut_off({}, "its tool's name");
        return Read::kMore;
      }
      calls_ =
          text[0] == '{' ? json_calls({}, options_) : literal_calls({.dialect = Dialect::kPython, .name_end = ".call"});
    }
    return calls_->read(text, last, events);
  }

 private:
  const ChatReadOptions& options_;
  std::unique_ptr<CallParser> calls_;
};

std::unique_ptr<CallParser> parser(const ChatReadOptions& options, std::string_view marker) {
  if (!marker.empty()) return std::make_unique<TaggedCalls>(options);
  return json_calls({.bare = true}, options);
}

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) {
  return std::make_unique<MarkedReader>(MarkedForm{.call_begins = kBegin, .parser = parser, .bare_calls = true},
                                        options);
}

Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  KEDGE_ASSIGN(call, json_call(options, "name", "parameters", into));
  return into.sequence({into.optional(into.marker(kBegin[0])), one_or_more(options, call, into.text("; "), into)});
}

}  // namespace

extern constinit const ChatFormat llama3;
constinit const ChatFormat llama3 = {"llama3", fits, reader, calls, kTriggers, "", ""};

}  // namespace kedge::engine::formats
