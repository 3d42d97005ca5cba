#include "engine/chat_read/named_calls.h"

#include "engine/chat_read/json_calls.h"

namespace kedge::engine::chat_read {
namespace {

constexpr size_t kMaxName = 256;  // bytes; the field's limit is 64

class NamedCalls final : public CallParser {
 public:
  explicit NamedCalls(const NamedCallForm& form) : form_(form) {}

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

  // The end of a name or an id.
  static size_t word_end(std::string_view s) {
    size_t n = 0;
    while (n < s.size() && kSpaces.find(s[n]) == kSpaces.npos && s[n] != '<' && s[n] != '[' && s[n] != '{' &&
           s[n] != '`') {
      ++n;
    }
    return n;
  }

  // More text may come, or what came is no call.
  Result<Read> incomplete(bool last) const {
    if (!last) return Read::kMore;
    if (n_read_ > 0) return Read::kDone;
    return cut_off(name_, "its arguments");
  }

  // All before the arguments' '{', or nothing of it.
  Result<Read> head(std::string_view& text, bool last, Events& events, bool& go_on) {
    std::string_view rest = without_leading_spaces(text);
    if (!form_.section_end.empty()) {
      if (rest.starts_with(form_.section_end)) {
        text = rest.substr(form_.section_end.size());
        return Read::kDone;
      }
      if (may_become(rest, form_.section_end)) return incomplete(last);
    }
    const Read otherwise = n_read_ > 0 ? Read::kDone : Read::kNoCall;
    for (const std::string_view part : {form_.call_begin, form_.name_prefix}) {
      if (rest.starts_with(part)) {
        rest = without_leading_spaces(rest.substr(part.size()));
      } else if (may_become(rest, part)) {
        return incomplete(last);
      } else if (part == form_.call_begin) {
        return otherwise;
      }
    }
    const size_t n = word_end(rest);
    if (n > kMaxName) return otherwise;
    const std::string_view name = rest.substr(0, n);
    rest = without_leading_spaces(rest.substr(n));
    std::string id;
    if (!form_.id_begin.empty() && rest.starts_with(form_.id_begin)) {
      rest.remove_prefix(form_.id_begin.size());
      const size_t id_size = word_end(rest);
      id = rest.substr(0, id_size);
      rest.remove_prefix(id_size);
    } else if (may_become(rest, form_.id_begin)) {
      return incomplete(last);
    }
    if (may_become(rest, form_.name_end)) return incomplete(last);
    const bool misses = form_.name_end_may_miss && rest.starts_with('{');
    if (name.empty() || !(misses || rest.starts_with(form_.name_end))) return otherwise;
    if (!misses) rest = without_leading_spaces(rest.substr(form_.name_end.size()));
    if (rest.empty()) {
      name_ = name;
      return incomplete(last);
    }
    if (rest[0] != '{') return otherwise;
    begin(name, id, events);
    text = rest;
    go_on = true;
    return Read::kMore;
  }

  void begin(std::string_view name, std::string id, Events& events) {
    const size_t colon = form_.numbered ? name.rfind(':') : name.npos;
    if (colon != name.npos) {
      id = std::string(form_.name_prefix) + std::string(name);
      name = name.substr(0, colon);
    }
    name_ = name;
    events.begin_call(name_, std::move(id));
    json_ = JsonForwarder();
    state_ = State::kBody;
  }

  Result<Read> body(std::string_view& text, bool last, Events& events, bool& go_on) {
    size_t taken = 0;
    bool good = true;
    while (good && taken < text.size() && !json_.scanner().done()) {
      good = json_.take(text[taken]);
      taken += good ? 1 : 0;
    }
    text.remove_prefix(taken);
    events.arguments(json_.take_out());
    if (!good) return call_error(name_, std::string("is no JSON: ") + json_.scanner().problem());
    if (!json_.scanner().done()) {
      if (last) return cut_off(name_, "its JSON's '" + json_.scanner().closers() + "'");
      return Read::kMore;
    }
    events.end_call();
    ++n_read_;
    state_ = State::kTail;
    go_on = true;
    return Read::kMore;
  }

  Result<Read> tail(std::string_view& text, bool last, bool& go_on) {
    std::string_view rest = text;
    for (const std::string_view part : {form_.body_end, form_.call_end}) {
      if (part.empty()) continue;
      const std::string_view next = without_leading_spaces(rest);
      if (next.starts_with(part)) {
        rest = next.substr(part.size());
      } else if (may_become(next, part)) {
        return incomplete(last);
      }
    }
    text = rest;
    if (form_.call_begin.empty()) return Read::kDone;
    state_ = State::kHead;
    go_on = true;
    return Read::kMore;
  }

  NamedCallForm form_;
  State state_ = State::kHead;
  std::string name_;
  JsonForwarder json_;
  size_t n_read_ = 0;
};

}  // namespace

std::unique_ptr<CallParser> named_calls(const NamedCallForm& form) { return std::make_unique<NamedCalls>(form); }

}  // namespace kedge::engine::chat_read
