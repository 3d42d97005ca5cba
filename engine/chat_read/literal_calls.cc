#include "engine/chat_read/literal_calls.h"

namespace kedge::engine::chat_read {
namespace {

constexpr size_t kMaxName = 256;  // bytes

bool is_name_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
}

class LiteralCalls final : public CallParser {
 public:
  explicit LiteralCalls(const LiteralCallForm& form) : form_(form), arguments_(form.dialect) {}

  Result<Read> read(std::string_view& text, bool last, Events& events) override {
    while (true) {
      bool go_on = false;
      Result<Read> read = state_ == State::kHead   ? head(text, last, events, go_on)
                          : state_ == State::kBody ? body(text, last, events, go_on)
                                                   : tail(text, last, go_on);
      if (!read.ok() || !go_on) return read;
    }
  }

 private:
  enum class State { kHead, kBody, kTail };

  Result<Read> incomplete(bool last) const {
    if (last) return cut_off({}, "its tool's name ends");
    return Read::kMore;
  }

  Result<Read> head(std::string_view& text, bool last, Events& events, bool& go_on) {
    std::string_view rest = without_leading_spaces(text);
    const bool bracket = form_.list && n_read_ == 0 && rest.starts_with('[');
    if (bracket) rest = without_leading_spaces(rest.substr(1));
    if (may_become(rest, form_.name_begin)) return incomplete(last);
    if (!rest.starts_with(form_.name_begin)) return no_call();
    rest.remove_prefix(form_.name_begin.size());
    size_t n = 0;
    while (n < rest.size() && is_name_char(rest[n])) ++n;
    std::string_view name = rest.substr(0, n);
    if (n > kMaxName) return no_call();
    rest = without_leading_spaces(rest.substr(n));
    if (rest.empty()) return incomplete(last);
    if (rest[0] != (form_.dialect == Dialect::kPython ? '(' : '{')) return no_call();
    if (name.ends_with(form_.name_end)) name.remove_suffix(form_.name_end.size());
    if (name.empty()) return no_call();
    in_list_ = in_list_ || bracket;
    name_ = name;
    arguments_ = LiteralReader(form_.dialect);
    events.begin_call(name_, {});
    text = rest.substr(1);
    state_ = State::kBody;
    go_on = true;
    return Read::kMore;
  }

  Result<Read> no_call() const {
    if (n_read_ == 0) return Read::kNoCall;
    return call_error({}, "has no proper name");
  }

  Result<Read> body(std::string_view& text, bool last, Events& events, bool& go_on) {
    std::string json;
    const Status status = arguments_.read(text, last, json);
    events.arguments(json);
    if (!status.ok()) return call_error(name_, status.error().message);
    if (!arguments_.done()) {
      if (last) return cut_off(name_, "its '" + arguments_.closers() + "'");
      return Read::kMore;
    }
    events.end_call();
    ++n_read_;
    state_ = State::kTail;
    go_on = true;
    return Read::kMore;
  }

  Result<Read> tail(std::string_view& text, bool last, bool& go_on) {
    std::string_view rest = without_leading_spaces(text);
    if (rest.empty() && !last) return Read::kMore;
    if (form_.list && rest.starts_with(',')) {
      text = rest.substr(1);
      state_ = State::kHead;
      go_on = true;
      return Read::kMore;
    }
    if (in_list_ && rest.starts_with(']')) {
      in_list_ = false;
      text = rest = rest.substr(1);
    }
    rest = without_leading_spaces(rest);
    if (rest.starts_with(form_.end)) {
      text = form_.end.empty() ? text : rest.substr(form_.end.size());
    } else if (may_become(rest, form_.end) && !last) {
      return Read::kMore;
    }
    return Read::kDone;
  }

  LiteralCallForm form_;
  State state_ = State::kHead;
  bool in_list_ = false;
  std::string name_;
  LiteralReader arguments_;
  size_t n_read_ = 0;
};

}  // namespace

std::unique_ptr<CallParser> literal_calls(const LiteralCallForm& form) { return std::make_unique<LiteralCalls>(form); }

}  // namespace kedge::engine::chat_read
