#include "engine/chat_read/xml_calls.h"

#include <algorithm>

#include "engine/chat_read/tool_schema.h"

namespace kedge::engine::chat_read {
namespace {

constexpr size_t kMaxName = 256;  // bytes, of tools and parameters

class XmlCalls final : public CallParser {
 public:
  XmlCalls(const XmlCallForm& form, const ChatReadOptions& options, bool begun)
      : form_(form), options_(options), begun_(begun) {}

  Result<Read> read(std::string_view& text, bool last, Events& events) override {
    while (true) {
      bool go_on = false;
      Result<Read> read = state_ == State::kHead    ? head(text, last, events, go_on)
                          : state_ == State::kKeys  ? keys(text, last, events, go_on)
                          : state_ == State::kValue ? value(text, last, events, go_on)
                                                    : tail(text, last, go_on);
      if (!read.ok() || !go_on) return read;
    }
  }

 private:
  enum class State { kHead, kKeys, kValue, kTail };

  static Result<Read> more(bool& go_on) {
    go_on = true;
    return Read::kMore;
  }

  Result<Read> incomplete(bool last, const char* before) const {
    if (last) return cut_off(name_, before);
    return Read::kMore;
  }

  Result<Read> no_call() const {
    if (n_calls_ == 0) return Read::kNoCall;
    return call_error({}, "has no proper name");
  }

  // What may stand behind the name, and behind a value.
  bool begins_part(std::string_view rest) const { return rest.starts_with(form_.key_begin) || ends_call(rest); }
  bool may_begin_part(std::string_view rest) const {
    return may_become(rest, form_.key_begin) || may_become(rest, form_.call_end) || may_become(rest, form_.section_end);
  }
  // Some models leave the tool's closing tag out.
  bool ends_call(std::string_view rest) const {
    return rest.starts_with(form_.call_end) || (!form_.section_end.empty() && rest.starts_with(form_.section_end));
  }

  Result<Read> head(std::string_view& text, bool last, Events& events, bool& go_on) {
    std::string_view rest = without_leading_spaces(text);
    if (!begun_) {
      if (may_become(rest, form_.name_begin)) return incomplete(last, "its tool's name");
      if (!rest.starts_with(form_.name_begin)) return no_call();
      rest.remove_prefix(form_.name_begin.size());
    }
    const size_t n = rest.find_first_of(form_.name_end.empty() ? " \t\r\n<" : std::string_view(" \t\r\n<>\""));
    const std::string_view name = rest.substr(0, n);
    if (name.size() > kMaxName) return no_call();
    if (n == rest.npos) return incomplete(last, "its tool's name ends");
    rest.remove_prefix(n);
    if (may_become(rest, form_.name_end)) return incomplete(last, "its tool's name ends");
    if (name.empty() || !rest.starts_with(form_.name_end)) return no_call();
    rest.remove_prefix(form_.name_end.size());
    if (form_.name_end.empty()) {  // a word and nothing else says too little
      rest = without_leading_spaces(rest);
      if (!begins_part(rest)) {
        if (may_begin_part(rest)) return incomplete(last, "its arguments");
        return no_call();
      }
    }
    name_ = name;
    tool_ = find_tool(options_, name);
    keys_.clear();
    ++n_calls_;
    events.begin_call(name_, {});
    events.arguments("{");
    text = rest;
    state_ = State::kKeys;
    return more(go_on);
  }

  Result<Read> keys(std::string_view& text, bool last, Events& events, bool& go_on) {
    std::string_view rest = without_leading_spaces(text);
    if (ends_call(rest)) {
      events.arguments("}");
      events.end_call();
      text = rest.starts_with(form_.call_end) ? rest.substr(form_.call_end.size()) : rest;
      state_ = State::kTail;
      return more(go_on);
    }
    if (!rest.starts_with(form_.key_begin)) {
      if (may_begin_part(rest)) return incomplete(last, "another argument or its end");
      return call_error(name_, "has '" + std::string(first_character(rest)) + "' where an argument or its end belongs");
    }
    rest.remove_prefix(form_.key_begin.size());
    const size_t n = rest.find(form_.key_end);
    if (n == rest.npos && rest.size() <= kMaxName) return incomplete(last, "an argument's name ends");
    const std::string key(without_spaces(rest.substr(0, n)));
    if (key.empty() || key.size() > kMaxName) return call_error(name_, "has an argument without a proper name");
    rest.remove_prefix(n + form_.key_end.size());
    unsigned kinds = kinds_of_key(key);
    if (form_.says_string) {
      constexpr std::string_view kIs = "true\">", kIsNot = "false\">";
      if (may_become(rest, kIs) || may_become(rest, kIsNot)) return incomplete(last, "an argument's value");
      const bool is = rest.starts_with(kIs);
      if (!is && !rest.starts_with(kIsNot)) {
        return call_error(name_, "does not say whether its argument '" + key + "' is a string");
      }
      kinds = is ? unsigned{kString} : kAnyKind & ~unsigned{kString};
      rest.remove_prefix(is ? kIs.size() : kIsNot.size());
    }
    if (!form_.value_begin.empty()) {
      rest = without_leading_spaces(rest);
      if (may_become(rest, form_.value_begin)) return incomplete(last, "an argument's value");
      if (!rest.starts_with(form_.value_begin)) return call_error(name_, "has no value for its argument '" + key + "'");
      rest.remove_prefix(form_.value_begin.size());
    }
    if (form_.value_lines) {
      if (rest.empty()) return incomplete(last, "an argument's value");
      if (rest[0] == '\n') rest.remove_prefix(1);
    }
    if (std::find(keys_.begin(), keys_.end(), key) != keys_.end()) {
      return call_error(name_, "has its argument '" + key + "' twice");
    }
    events.arguments((keys_.empty() ? "" : ", ") + quoted(key) + ": ");
    keys_.push_back(key);
    kinds_ = kinds;
    if (kinds_ == kString) events.arguments("\"");
    text = rest;
    searched_ = 0;
    state_ = State::kValue;
    return more(go_on);
  }

  unsigned kinds_of_key(const std::string& key) const {
    const base::Json* schema = tool_ == nullptr ? nullptr : parameter_schema(*tool_, key);
    return schema == nullptr ? unsigned{kAnyKind} : kinds_of(*schema, tool_->parameters);
  }

  // A closing tag ends the value where what belongs behind it follows: texts may have such tags in them.
  Result<Read> value(std::string_view& text, bool last, Events& events, bool& go_on) {
    const bool streams = kinds_ == kString;
    size_t sure = text.size() - held_back(text, form_.value_end);
    for (size_t at = searched_; (at = text.find(form_.value_end, at)) != text.npos; ++at) {
      const std::string_view rest = without_leading_spaces(text.substr(at + form_.value_end.size()));
      if (begins_part(rest)) {
        const size_t end = at - (form_.value_lines && at > 0 && text[at - 1] == '\n' ? 1 : 0);
        events.arguments(streams ? escaped(text.substr(0, end)) + '"' : typed_value(text.substr(0, end), kinds_));
        text = rest;
        state_ = State::kKeys;
        return more(go_on);
      }
      if (may_begin_part(rest)) {
        sure = std::min(sure, at);
        break;
      }
    }
    if (last) return cut_off(name_, "the value of its argument '" + keys_.back() + "' ends");
    if (form_.value_lines && sure > 0 && text[sure - 1] == '\n') --sure;
    if (streams) {
      events.arguments(escaped(text.substr(0, sure)));
      text.remove_prefix(sure);
    } else {
      searched_ = sure;
    }
    return Read::kMore;
  }

  Result<Read> tail(std::string_view& text, bool last, bool& go_on) {
    if (form_.section_end.empty()) return Read::kDone;
    const std::string_view rest = without_leading_spaces(text);
    if (rest.starts_with(form_.section_end)) {
      text = rest.substr(form_.section_end.size());
      return Read::kDone;
    }
    if (rest.starts_with(form_.name_begin)) {
      text = rest;
      begun_ = false;
      state_ = State::kHead;
      name_.clear();
      return more(go_on);
    }
    const bool unsure = may_become(rest, form_.section_end) || may_become(rest, form_.name_begin);
    return unsure && !last ? Read::kMore : Read::kDone;
  }

  XmlCallForm form_;
  const ChatReadOptions& options_;
  bool begun_;
  State state_ = State::kHead;
  size_t n_calls_ = 0;
  std::string name_;
  const ChatTool* tool_ = nullptr;
  std::vector<std::string> keys_;
  unsigned kinds_ = kAnyKind;
  size_t searched_ = 0;
};

}  // namespace

std::unique_ptr<CallParser> xml_calls(const XmlCallForm& form, const ChatReadOptions& options, bool begun) {
  return std::make_unique<XmlCalls>(form, options, begun);
}

}  // namespace kedge::engine::chat_read
