#include "engine/chat_read/json_calls.h"

#include <algorithm>

#include "engine/chat_read/tool_schema.h"
namespace kedge::engine::chat_read {
namespace {

using At = JsonScanner::At;

class JsonCalls final : public CallParser {
 public:
  JsonCalls(const JsonCallForm& form, const ChatReadOptions& options) : form_(form), options_(options) {}

  Result<Read> read(std::string_view& text, bool last, Events& events) override {
    while (true) {
      Result<Read> read = Read::kMore;
      bool go_on = false;
      switch (state_) {
        case State::kOpen:
          read = open(text, last, go_on);
          break;
        case State::kObject:
          read = object(text, last, events, go_on);
          break;
        case State::kBetween:
          read = between(text, last, go_on);
          break;
        case State::kClose:
          return close(text, last);
      }
      if (!read.ok() || !go_on) return read;
    }
  }

 private:
  enum class State { kOpen, kObject, kBetween, kClose };

  void begin_object() {
    object_ = CallObject();
    begun_ = false;
    state_ = State::kObject;
  }

  Result<Read> open(std::string_view& text, bool last, bool& go_on) {
    text = without_leading_spaces(text);
    if (text.empty()) {
      if (last) return cut_off({}, "its tool's name");
      return Read::kMore;
    }
    if (form_.array && !in_array_ && text[0] == '[') {
      text.remove_prefix(1);
      in_array_ = go_on = true;
      return Read::kMore;
    }
    if (in_array_ && text[0] == ']') {
      state_ = State::kBetween;
    } else if (text[0] == '{') {
      begin_object();
    } else {
      return Read::kNoCall;
    }
    go_on = true;
    return Read::kMore;
  }

  Result<Read> object(std::string_view& text, bool last, Events& events, bool& go_on) {
    size_t taken = 0;
    bool good = true;
    while (good && taken < text.size() && !object_.done()) {
      good = object_.take(text[taken]);
      taken += good ? 1 : 0;
    }
    text.remove_prefix(taken);
    if (!begun_ && form_.bare && !is_tools_object()) return no_call("names no tool");
    if (!begun_ && object_.named()) {
      events.begin_call(object_.name(), {});
      begun_ = true;
    }
    if (begun_) events.arguments(object_.take_arguments());
    if (!good) return no_call(object_.problem());
    if (!object_.done()) {
      if (!last) return Read::kMore;
      if (begun_) return cut_off(object_.name(), "its JSON's '" + object_.closers() + "'");
      if (form_.bare) return no_call("names no tool");
      return cut_off({}, "its tool's name");
    }
    if (!begun_) return no_call("names no tool");
    events.end_call();
    ++n_read_;
    state_ = State::kBetween;
    go_on = true;
    return Read::kMore;
  }

  // As far as it came it may be a call of a tool that there is.
  bool is_tools_object() const {
    if (object_.strange()) return false;
    return !object_.named() || std::any_of(options_.tools.begin(), options_.tools.end(),
                                           [&](const ChatTool& t) { return t.name == object_.name(); });
  }

  Result<Read> no_call(const std::string& problem) const {
    if (!begun_ && n_read_ == 0) return Read::kNoCall;
    return call_error(object_.name(), problem);
  }

  // Behind an object, or before the bracket that closes the array.
  Result<Read> between(std::string_view& text, bool last, bool& go_on) {
    const std::string_view rest = without_leading_spaces(text);
    if (rest.empty()) return last ? Read::kDone : Read::kMore;
    const char c = rest[0];
    if (in_array_ && c == ']') {
      text = rest.substr(1);
      in_array_ = false;
      state_ = State::kClose;
      go_on = true;
      return Read::kMore;
    }
    const bool separator = in_array_ ? c == ',' : form_.bare && c == ';';
    const std::string_view next = separator ? without_leading_spaces(rest.substr(1)) : rest;
    if (next.empty()) return last ? Read::kDone : Read::kMore;
    if (next[0] == '{' && (separator || !in_array_) && n_read_ > 0) {
      text = next;
      begin_object();
    } else {
      state_ = State::kClose;
    }
    go_on = true;
    return Read::kMore;
  }

  Result<Read> close(std::string_view& text, bool last) const {
    const std::string_view rest = without_leading_spaces(text);
    if (rest.starts_with(form_.end)) {
      text = form_.end.empty() ? text : rest.substr(form_.end.size());
    } else if (may_become(rest, form_.end) && !last) {
      return Read::kMore;
    }
    return n_read_ > 0 || !form_.bare ? Read::kDone : Read::kNoCall;
  }

  JsonCallForm form_;
  const ChatReadOptions& options_;
  State state_ = State::kOpen;
  bool in_array_ = false;
  bool begun_ = false;
  size_t n_read_ = 0;
  CallObject object_;
};

}  // namespace

bool JsonForwarder::take(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x20 || scanner_.at() != At::kString) {
    if (!scanner_.take(c)) return false;
    out_ += c;
    return true;
  }
  const std::string escape = escaped({&c, 1});
  for (const char e : escape) static_cast<void>(scanner_.take(e));
  out_ += escape;
  return true;
}

bool CallObject::fail(std::string problem) {
  problem_ = std::move(problem);
  return false;
}

bool CallObject::take(char c) {
  const JsonScanner& scanner = forwarder_.scanner();
  const At was = scanner.at();
  const bool was_key = scanner.in_key();
  const size_t was_depth = scanner.depth();
  if (!forwarder_.take(c)) return fail(std::string("is no JSON: ") + scanner.problem());
  return take_member(was, was_key, was_depth);
}

bool CallObject::take_member(At was, bool was_key, size_t was_depth) {
  const JsonScanner& scanner = forwarder_.scanner();
  const At now = scanner.at();
  const std::string bytes = forwarder_.take_out();
  if (was_depth == 1 && !in_value_ && (scanner.in_key() || was_key)) {
    key_ += bytes;
    return scanner.in_key() || end_key();
  }
  if (!in_value_) {
    if (was_depth != 1 || was != At::kValue || now == At::kValue) return true;
    if (!begin_value(bytes[0])) return false;
    in_value_ = true;
  }
  const bool ended_before = was_depth == 1 && was == At::kNumber && now != At::kNumber;
  if (!ended_before) (forward_ ? arguments_ : value_) += bytes;
  if (!ended_before && !(scanner.depth() == 1 && now == At::kNext)) return true;
  in_value_ = false;
  return end_value();
}

bool CallObject::end_key() {
  const std::string key = base::Json::parse(std::exchange(key_, {})).get<std::string>();
  if (key == "name" || key == "tool_name" || key == "function") {
    role_ = Role::kName;
  } else if (key == "arguments" || key == "parameters") {
    role_ = Role::kArguments;
  } else {
    role_ = Role::kOther;
    if (key != "type" && key != "id") strange_ = true;
  }
  return true;
}

bool CallObject::begin_value(char c) {
  value_.clear();
  forward_ = role_ == Role::kArguments && c == '{';
  if (role_ != Role::kArguments) return true;
  if (has_arguments_) return fail("has its arguments twice");
  has_arguments_ = true;
  return c == '{' || c == '"' || c == 'n' || fail("has arguments that are no JSON object");
}

bool CallObject::end_value() {
  if (forward_) {
    forward_ = false;
    return true;
  }
  if (role_ == Role::kName && name_.empty() && value_[0] == '"') {
    name_ = base::Json::parse(value_).get<std::string>();
  } else if (role_ == Role::kArguments && value_[0] == '"') {
    const std::string text = base::Json::parse(value_).get<std::string>();
    const auto object = base::parse_json(text, "arguments");
    if (!object.ok() || !object->is_object()) return fail("has arguments that are a string and no JSON object");
    arguments_ = without_spaces(text);
  } else if (role_ == Role::kArguments) {
    arguments_ = "{}";
  }
  return true;
}

std::string CallObject::take_arguments() {
  if (done() && !gave_ && arguments_.empty()) arguments_ = "{}";
  gave_ = gave_ || !arguments_.empty();
  return std::exchange(arguments_, {});
}

std::unique_ptr<CallParser> json_calls(const JsonCallForm& form, const ChatReadOptions& options) {
  return std::make_unique<JsonCalls>(form, options);
}

}  // namespace kedge::engine::chat_read
