#include <algorithm>
#include <charconv>

#include "kernels/base/json.h"
#include "kernels/base/utf8.h"

namespace kedge::base {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A loop, not a recursion: what is open is a string of brackets.
class Reader {
 public:
  Reader(std::string_view text, JsonEvents& events, size_t max_depth)
      : text_(text), events_(events), max_depth_(max_depth) {}

  Status run() {
    if (text_.size() > kMaxJsonBytes) {
      return Error{ErrorCode::kCapacity,
                   std::to_string(text_.size()) + " bytes, the limit is " + std::to_string(kMaxJsonBytes)};
    }
    do {
      KEDGE_TRY(value());
      KEDGE_TRY(after_value());
    } while (!open_.empty());
    skip_space();
    return at_ == text_.size() ? Status() : problem("nothing may follow the value");
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool accept(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view w) {
    if (!text_.substr(at_).starts_with(w)) return false;
    at_ += w.size();
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  Error problem(const std::string& what) const {
    std::string found = "the text ends";
    if (at_ < text_.size()) {
      std::string_view rest = text_.substr(at_, 16);
      rest = rest.substr(0, utf8_valid_until(rest, 0));
      found = rest.empty() ? "there is a byte that is not UTF-8" : "there is " + Json(rest).dump();
    }
    return {ErrorCode::kInvalidArgument, "byte " + std::to_string(at_) + ": " + what + ", but " + found};
  }

  // A scalar, or the beginning of a container up to where its first value is due.
  Status value() {
    while (true) {
      skip_space();
      const char c = peek();
      if (c != '{' && c != '[') return scalar(c);
      if (open_.size() >= max_depth_) {
        return Error{ErrorCode::kCapacity,
                     "byte " + std::to_string(at_) + ": nested deeper than " + std::to_string(max_depth_)};
      }
      ++at_;
      open_ += c;
      KEDGE_TRY(events_.begin(c == '{'));
      skip_space();
      if (peek() == (c == '{' ? '}' : ']')) return {};
      if (c == '{') KEDGE_TRY(key());
    }
  }

  // Closes what ends here and goes to where the next value is due.
  Status after_value() {
    while (!open_.empty()) {
      const bool object = open_.back() == '{';
      skip_space();
      if (accept(',')) {
        skip_space();
        return object ? key() : Status();
      }
      if (!accept(object ? '}' : ']')) return problem(object ? "expected ',' or '}'" : "expected ',' or ']'");
      open_.pop_back();
      KEDGE_TRY(events_.end(object));
    }
    return {};
  }

  Status key() {
    if (peek() != '"') return problem("expected the name of a member");
    std::string name;
    KEDGE_TRY(string(name));
    skip_space();
    if (!accept(':')) return problem("expected ':'");
    return events_.key(std::move(name));
  }

  Status scalar(char c) {
    if (c == '"') {
      std::string text;
      KEDGE_TRY(string(text));
      return events_.scalar(std::move(text));
    }
    if (c == '-' || is_digit(c)) return number();
    if (word("null")) return events_.scalar(nullptr);
    if (word("true")) return events_.scalar(true);
    if (word("false")) return events_.scalar(false);
    return problem("expected a value");
  }

  Status number() {
    const size_t begin = at_;
    const auto digits = [&] {
      const size_t first = at_;
      while (is_digit(peek())) ++at_;
      return at_ > first;
    };
    const bool negative = accept('-');
    const bool zero = peek() == '0';
    if (!digits()) return problem("expected a digit");
    if (zero && at_ - begin > size_t{1} + (negative ? 1 : 0)) {
      at_ = begin;
      return problem("a number may not begin with 0");
    }
    bool whole = true;
    if (accept('.')) {
      whole = false;
      if (!digits()) return problem("expected a digit");
    }
    if (peek() == 'e' || peek() == 'E') {
      whole = false;
      ++at_;
      if (!accept('+')) accept('-');
      if (!digits()) return problem("expected a digit");
    }
    const std::string_view written = text_.substr(begin, at_ - begin);
    const char* end = written.data() + written.size();
    if (whole && negative) {
      int64_t i = 0;
      if (std::from_chars(written.data(), end, i).ec == std::errc()) return events_.scalar(i);
    } else if (whole) {
      uint64_t u = 0;
      if (std::from_chars(written.data(), end, u).ec == std::errc()) return events_.scalar(u);
    }
    double d = 0;
    if (std::from_chars(written.data(), end, d).ec == std::errc()) return events_.scalar(d);
    if (is_tiny(written)) return events_.scalar(negative ? -0.0 : 0.0);
    return Error{ErrorCode::kInvalidArgument, "byte " + std::to_string(begin) + ": the number " +
                                                  std::string(written.substr(0, 40)) +
                                                  " is beyond what a double holds"};
  }

  // Of a number that no double is near: whether it is near zero rather than infinity. Its first digit that counts
  // stands far to the right.
  static bool is_tiny(std::string_view written) {
    const size_t e = written.find_first_of("eE");
    const std::string_view mantissa = written.substr(0, e);
    const size_t first = mantissa.find_first_of("123456789");
    if (first == std::string_view::npos) return true;
    if (e != std::string_view::npos) return written[e + 1] == '-';
    return mantissa.find('.') < first;
  }

  Status string(std::string& out) {
    ++at_;
    while (true) {
      if (at_ == text_.size()) return problem("expected '\"'");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') break;
      if (c < 0x20) return problem("a control character in a string has to be written as \\u00..");
      if (c == '\\') {
        KEDGE_TRY(escape(out));
        continue;
      }
      const size_t length = utf8_char_length(text_, at_);
      if (length == 0) return problem("a string has to be UTF-8");
      out.append(text_, at_, length);
      at_ += length;
    }
    ++at_;
    return {};
  }

  Status escape(std::string& out) {
    ++at_;
    constexpr std::string_view kNames = "\"\\/bfnrt";
    const size_t named = at_ < text_.size() ? kNames.find(text_[at_]) : std::string_view::npos;
    if (named != std::string_view::npos) {
      ++at_;
      out += "\"\\/\b\f\n\r\t"[named];
      return {};
    }
    if (!accept('u')) return problem("no such escape in a string");
    uint32_t code = 0;
    KEDGE_TRY(four_digits(code));
    if (code >= 0xd800 && code < 0xdc00) {
      uint32_t low = 0;
      if (!accept('\\') || !accept('u')) return problem("expected the second half of a pair of surrogates");
      KEDGE_TRY(four_digits(low));
      if (low < 0xdc00 || low > 0xdfff) return problem("expected the second half of a pair of surrogates");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      return problem("the second half of a pair of surrogates stands alone");
    }
    append_utf8(code, out);
    return {};
  }

  Status four_digits(uint32_t& code) {
    const char* from = text_.data() + at_;
    const char* to = from + std::min<size_t>(4, text_.size() - at_);
    const auto read = std::from_chars(from, to, code, 16);
    if (read.ptr != from + 4 || *from == '-') return problem("expected four hexadecimal digits");
    at_ += 4;
    return {};
  }

  static void append_utf8(uint32_t code, std::string& out) {
    const auto byte = [&](uint32_t b) { out += static_cast<char>(b); };
    if (code < 0x80) {
      byte(code);
    } else if (code < 0x800) {
      byte(0xc0 | code >> 6);
      byte(0x80 | (code & 63));
    } else if (code < 0x10000) {
      byte(0xe0 | code >> 12);
      byte(0x80 | (code >> 6 & 63));
      byte(0x80 | (code & 63));
    } else {
      byte(0xf0 | code >> 18);
      byte(0x80 | (code >> 12 & 63));
      byte(0x80 | (code >> 6 & 63));
      byte(0x80 | (code & 63));
    }
  }

  std::string_view text_;
  JsonEvents& events_;
  size_t max_depth_;
  size_t at_ = 0;
  std::string open_;
};

}  // namespace

// Puts a value together. The open containers are values of their own until they close.
class JsonBuilder final : public JsonEvents {
 public:
  Status scalar(Json value) override {
    add(std::move(value));
    return {};
  }
  Status key(std::string name) override {
    keys_.push_back(std::move(name));
    return {};
  }
  Status begin(bool object) override {
    open_.push_back(object ? Json::object() : Json::array());
    return {};
  }
  Status end(bool object) override {
    Json closed = std::move(open_.back());
    open_.pop_back();
    if (object) KEDGE_TRY(check_names(closed));
    add(std::move(closed));
    return {};
  }
  Json take() { return std::move(result_); }

 private:
  void add(Json value) {
    if (open_.empty()) {
      result_ = std::move(value);
    } else if (open_.back().is_array()) {
      open_.back().push_back(std::move(value));
    } else {
      std::get<Json::Object>(open_.back().v_).push_back({std::move(keys_.back()), std::move(value)});
      keys_.pop_back();
    }
  }
  static Status check_names(const Json& object) {
    std::vector<std::string_view> names;
    names.reserve(object.size());
    for (const Json::Member& m : object.items()) names.push_back(m.key);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return {};
    return Error{ErrorCode::kInvalidArgument, "an object has the member " + Json(*twice).dump() + " twice"};
  }

  std::vector<Json> open_;
  std::vector<std::string> keys_;
  Json result_;
};

Status read_json(std::string_view text, JsonEvents& events, size_t max_depth) {
  return Reader(text, events, max_depth).run();
}

Result<Json> parse_json(std::string_view text, const char* name) {
  JsonBuilder builder;
  const Status read = read_json(text, builder);
  if (read.ok()) return builder.take();
  const bool limit = read.error().code == ErrorCode::kCapacity;
  return Error{read.error().code, std::string(name) + (limit ? ": JSON " : " is not JSON: ") + read.error().message};
}

}  // namespace kedge::base
