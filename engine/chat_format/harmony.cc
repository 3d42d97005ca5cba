// Messages with channels:
// <|channel|>analysis<|message|>reasoning<|end|><|start|>assistant<|channel|>final<|message|>text; a call is a message
// to=functions.NAME of JSON, and ends the answer: gpt-oss.
#include "engine/chat_read/call_grammar.h"
#include "engine/chat_read/call_parser.h"
#include "engine/chat_read/json_calls.h"
#include "kernels/base/utf8.h"

namespace kedge::engine::formats {
namespace {

using namespace chat_read;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kStart = "<|start|>", kChannel = "<|channel|>", kMessage = "<|message|>";
constexpr std::string_view kEnds[] = {"<|end|>", "<|call|>", "<|return|>", kStart};
constexpr std::string_view kTo = "to=";
constexpr std::string_view kFunctions = "functions.";
constexpr const char* kThink = "<|channel|>analysis<|message|>";
constexpr const char* kThought = "<|end|>";
constexpr const char* kTriggers[] = {"<|channel|>commentary to=functions.", " to=functions."};
constexpr size_t kMaxHeader = 1024;  // bytes

int fits(std::string_view t) {
  return t.find(kChannel) != t.npos && t.find(kMessage) != t.npos && t.find("analysis") != t.npos ? 100 : 0;
}

// The word behind `before` in a header; empty when there is none.
std::string_view word_behind(std::string_view header, std::string_view before) {
  const size_t at = header.find(before);
  if (at == header.npos) return {};
  const std::string_view rest = header.substr(at + before.size());
  return rest.substr(0, rest.find_first_of(" \t\r\n<"));
}

class HarmonyReader final : public ChatReader {
 public:
  explicit HarmonyReader(const ChatReadOptions& options)
      : split_(options.split_reasoning),
        takes_calls_(!options.tools.empty() && options.choice != ToolChoice::kNone),
        at_(options.reasoning_open ? At::kReasoning : At::kHeader) {}

  Status push(std::string_view text, std::vector<ChatEvent>& out) override {
    if (base::utf8_valid_until(text, 0) != text.size()) {
      return Error{ErrorCode::kInvalidArgument, "the text of an answer is not whole UTF-8 characters"};
    }
    text_ += text;
    return run(false, out);
  }
  Status end(std::vector<ChatEvent>& out) override { return run(true, out); }

 private:
  enum class At { kHeader, kContent, kReasoning, kCall, kBehindCall };

  Status run(bool last, std::vector<ChatEvent>& out) {
    events_.into(&out);
    bool more = true;
    while (failed_.ok() && more) {
      auto step = at_ == At::kHeader ? read_header(last) : at_ == At::kCall ? read_call(last) : read_body(last);
      more = step.ok() && *step;
      if (!step.ok()) failed_ = std::move(step).error();
    }
    events_.into(nullptr);
    return failed_;
  }

  // True: go on. All of the header, or nothing.
  Result<bool> read_header(bool last) {
    const std::string_view rest = without_leading_spaces(text_);
    if (rest.empty()) return false;
    const bool begins = rest.starts_with(kStart) || rest.starts_with(kChannel) || rest.starts_with(kTo);
    const bool may_begin = may_become(rest, kStart) || may_become(rest, kChannel) || may_become(rest, kTo);
    const size_t end = text_.find(kMessage);
    if ((!begins && (!may_begin || last)) || (end == text_.npos && text_.size() > kMaxHeader)) {
      at_ = At::kContent;  // a text without a header
      return true;
    }
    if (end == text_.npos) {
      std::string_view to = word_behind(text_, kTo);
      if (to.starts_with(kFunctions)) to.remove_prefix(kFunctions.size());
      if (last && text_.find(kTo) != text_.npos) return cut_off(to, "its arguments");
      if (last) text_.clear();  // of a message that did not begin
      return false;
    }
    begin_message(std::string_view(text_).substr(0, end));
    if (at_ == At::kReasoning && !split_) events_.content(std::string_view(text_).substr(0, end + kMessage.size()));
    text_.erase(0, end + kMessage.size());
    return true;
  }

  void begin_message(std::string_view header) {
    const std::string_view to = word_behind(header, kTo);
    name_ = to.starts_with(kFunctions) ? to.substr(kFunctions.size()) : to;
    begun_ = false;
    json_ = JsonForwarder();
    if (takes_calls_ && !name_.empty()) {
      at_ = At::kCall;
    } else {
      at_ = word_behind(header, kChannel) == "analysis" ? At::kReasoning : At::kContent;
    }
  }

  Result<bool> read_body(bool last) {
    size_t end = text_.npos;
    size_t sure = text_.size();
    std::string_view marker;
    for (const std::string_view m : kEnds) {
      const size_t found = text_.find(m);
      if (found < end) {
        end = found;
        marker = m;
      }
      if (!last) sure = std::min(sure, text_.size() - held_back(text_, m));
    }
    if (end != text_.npos) sure = end;
    const std::string_view body = std::string_view(text_).substr(0, sure);
    if (at_ == At::kReasoning && split_) {
      events_.reasoning(body);
    } else if (at_ != At::kBehindCall) {
      events_.content(body);
    }
    text_.erase(0, sure);
    if (end == std::string::npos) return false;
    if (marker != kStart) {
      if (at_ == At::kReasoning && !split_) events_.content(marker);
      text_.erase(0, marker.size());
    }
    at_ = At::kHeader;
    return true;
  }

  Result<bool> read_call(bool last) {
    if (!begun_) {
      const std::string_view rest = without_leading_spaces(text_);
      if (rest.empty() && last) return cut_off(name_, "its arguments");
      if (rest.empty()) return false;
      if (rest[0] != '{') {  // to a tool that takes a plain text
        at_ = At::kContent;
        return true;
      }
      events_.begin_call(name_, {});
      begun_ = true;
    }
    size_t taken = 0;
    bool good = true;
    while (good && taken < text_.size() && !json_.scanner().done()) {
      good = json_.take(text_[taken]);
      taken += good ? 1 : 0;
    }
    text_.erase(0, taken);
    events_.arguments(json_.take_out());
    if (!good) return call_error(name_, std::string("is no JSON: ") + json_.scanner().problem());
    if (!json_.scanner().done()) {
      if (last) return cut_off(name_, "its JSON's '" + json_.scanner().closers() + "'");
      return false;
    }
    events_.end_call();
    at_ = At::kBehindCall;
    return true;
  }

  bool split_;
  bool takes_calls_;
  At at_;
  Events events_;
  std::string text_;
  std::string name_;
  bool begun_ = false;
  JsonForwarder json_;
  Status failed_;
};

std::unique_ptr<ChatReader> reader(const ChatReadOptions& options) { return std::make_unique<HarmonyReader>(options); }

// The recipient stands before the channel or behind it; both are seen.
Result<NodeId> calls(const ChatReadOptions& options, Grammar& into) {
  const NodeId channel = into.optional(into.marker("<|channel|>commentary"));
  return any_tool(options, into, [&](const ChatTool& tool, const std::string& pointer) -> Result<NodeId> {
    KEDGE_ASSIGN(object, json_arguments(tool, pointer, into));
    const NodeId json = into.sequence({into.optional(into.marker("<|constrain|>")), into.text("json")});
    return into.sequence({into.optional(into.marker("<|start|>assistant")), channel,
                          into.text(" to=functions." + tool.name), channel, into.optional(into.text(" ")),
                          into.optional(json), into.marker(kMessage), object});
  });
}

}  // namespace

extern constinit const ChatFormat harmony;
constinit const ChatFormat harmony = {"harmony", fits, reader, calls, kTriggers, kThink, kThought};

}  // namespace kedge::engine::formats
