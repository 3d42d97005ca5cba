#include "tokenizer/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "tokenizer/jinja/text.h"

namespace kedge::tokenizer::jinja {
namespace {

bool is_name_start(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_decimal(char c) { return c >= '0' && c <= '9'; }
bool is_name_char(char c) { return is_name_start(c) || is_decimal(c); }

int hex_value(char c) {
  if (is_decimal(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Line ends become \n, and one at the very end goes.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out.push_back(source[i]);
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)), s_(source_) {}

  Result<std::vector<Token>> run() {
    while (at_ < s_.size()) KEDGE_TRY(next_part());
    emit(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  Status next_part();
  Status comment(size_t begin);
  Result<bool> raw();
  Status inside(bool block);
  bool tag_end(bool block);
  Status token();
  Status number();
  Status string_literal();
  Result<std::string> unescape(std::string_view body, Position pos) const;
  Result<size_t> escape(std::string_view body, size_t at, Position pos, std::string* out) const;
  Status operator_token();

  size_t find_tag() const;
  void text_before(size_t tag, size_t sign_at, bool may_lstrip);
  char peek(size_t ahead = 0) const { return at_ + ahead < s_.size() ? s_[at_ + ahead] : '\0'; }
  void skip_spaces() {
    while (at_ < s_.size() && is_space(char_at(s_, at_).code)) at_ += char_at(s_, at_).size;
  }
  // After the end of a tag: '-' eats all white space, '+' nothing, otherwise one newline (trim_blocks).
  void after_tag(char sign, bool trim_newline) {
    if (sign == '-') {
      skip_spaces();
    } else if (sign != '+' && trim_newline && peek() == '\n') {
      ++at_;
    }
    line_starting_ = at_ > 0 && s_[at_ - 1] == '\n';
  }
  void emit(TokenKind kind, std::string text) { tokens_.push_back({kind, position(at_), std::move(text)}); }
  Position position(size_t offset);

  std::string source_;
  std::string_view s_;
  size_t at_ = 0;
  bool line_starting_ = true;  // the text that follows begins a line
  std::vector<Token> tokens_;
  std::string brackets_;  // open ones, as their closing characters
  size_t counted_ = 0;    // position() has counted the lines up to here
  size_t line_begin_ = 0;
  uint32_t line_ = 1;
};

Position Lexer::position(size_t offset) {
  for (; counted_ < offset && counted_ < s_.size(); ++counted_) {
    if (s_[counted_] == '\n') {
      ++line_;
      line_begin_ = counted_ + 1;
    }
  }
  return {line_, static_cast<uint32_t>(offset >= line_begin_ ? offset - line_begin_ + 1 : 1)};
}

size_t Lexer::find_tag() const {
  for (size_t i = s_.find('{', at_); i != std::string_view::npos; i = s_.find('{', i + 1)) {
    if (i + 1 < s_.size() && (s_[i + 1] == '%' || s_[i + 1] == '{' || s_[i + 1] == '#')) return i;
  }
  return s_.size();
}

// Emits the text in [at_, tag), stripped as the tag's sign asks, and goes to the tag.
void Lexer::text_before(size_t tag, size_t sign_at, bool may_lstrip) {
  const char sign = sign_at < s_.size() ? s_[sign_at] : '\0';
  std::string_view text = s_.substr(at_, tag - at_);
  const auto all_space = [](std::string_view t) {
    for (size_t i = 0; i < t.size(); i += char_at(t, i).size) {
      if (!is_space(char_at(t, i).code)) return false;
    }
    return true;
  };
  std::string stripped;
  if (tag == s_.size()) {
    // the end of the source: nothing asks for stripping
  } else if (sign == '-') {
    stripped = strip(Text(text), "", false, true).bytes();
    text = stripped;
  } else if (sign != '+' && may_lstrip) {
    const size_t newline = text.rfind('\n');
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if ((line > 0 || line_starting_) && all_space(text.substr(line))) text = text.substr(0, line);
  }
  if (!text.empty()) emit(TokenKind::kText, std::string(text));
  at_ = tag;
}

Status Lexer::next_part() {
  const size_t tag = find_tag();
  const bool output = tag < s_.size() && s_[tag + 1] == '{';
  text_before(tag, tag + 2, !output);
  if (at_ >= s_.size()) return {};
  const char kind = s_[at_ + 1];
  const Position begin = position(at_);
  at_ += 2;
  if (peek() == '-' || peek() == '+') ++at_;
  if (kind == '#') return comment(tag);
  if (kind == '%') {
    KEDGE_ASSIGN(was_raw, raw());
    if (was_raw) return {};
  }
  tokens_.push_back({output ? TokenKind::kOutputBegin : TokenKind::kBlockBegin, begin, ""});
  return inside(!output);
}

Status Lexer::comment(size_t begin) {
  const size_t body = at_;
  const size_t end = s_.find("#}", at_);
  if (end == std::string_view::npos) return syntax_error(position(begin), "the comment is not closed by '#}'");
  at_ = end + 2;
  after_tag(end > body ? s_[end - 1] : '\0', true);
  return {};
}

// {% raw %} ... {% endraw %}, when the tag just opened is one.
Result<bool> Lexer::raw() {
  const size_t begin = at_;
  skip_spaces();
  if (s_.substr(at_, 3) != "raw" || is_name_char(peek(3))) {
    at_ = begin;
    return false;
  }
  at_ += 3;
  skip_spaces();
  const char sign = peek();
  if (sign == '-') ++at_;
  if (s_.substr(at_, 2) != "%}") {
    at_ = begin;
    return false;
  }
  at_ += 2;
  after_tag(sign, false);
  for (size_t tag = s_.find("{%", at_); tag != std::string_view::npos; tag = s_.find("{%", tag + 1)) {
    const size_t from = at_;
    at_ = tag + 2;
    if (peek() == '-' || peek() == '+') ++at_;
    skip_spaces();
    const bool word = s_.substr(at_, 6) == "endraw" && !is_name_char(peek(6));
    if (word) at_ += 6;
    skip_spaces();
    const char end_sign = peek();
    if (end_sign == '-' || end_sign == '+') ++at_;
    const size_t stop = at_;
    at_ = from;
    if (!word || s_.substr(stop, 2) != "%}") continue;
    text_before(tag, tag + 2, true);
    at_ = stop + 2;
    after_tag(end_sign, true);
    return true;
  }
  return syntax_error(position(begin), "'raw' is not closed by 'endraw'");
}

bool Lexer::tag_end(bool block) {
  const char sign = peek() == '-' || (block && peek() == '+') ? peek() : '\0';
  const size_t skip = sign == '\0' ? 0 : 1;
  if (s_.substr(std::min(at_ + skip, s_.size()), 2) != (block ? "%}" : "}}")) return false;
  emit(block ? TokenKind::kBlockEnd : TokenKind::kOutputEnd, "");
  at_ += skip + 2;
  after_tag(sign, block);
  return true;
}

Status Lexer::inside(bool block) {
  brackets_.clear();
  const Position begin = tokens_.back().pos;
  while (true) {
    // The end is looked for before white space: "-%}" is not a minus.
    if (brackets_.empty() && tag_end(block)) return {};
    if (at_ >= s_.size())
      return syntax_error(begin, block ? "the tag is not closed by '%}'" : "the tag is not closed by '}}'");
    if (is_space(char_at(s_, at_).code)) {
      skip_spaces();
      continue;
    }
    KEDGE_TRY(token());
  }
}

Status Lexer::token() {
  const char c = peek();
  if (is_decimal(c)) return number();
  if (c == '\'' || c == '"') return string_literal();
  if (!is_name_start(c)) return operator_token();
  size_t end = at_;
  while (end < s_.size() && is_name_char(s_[end])) ++end;
  emit(TokenKind::kName, std::string(s_.substr(at_, end - at_)));
  at_ = end;
  return {};
}

Status Lexer::number() {
  // After a dot, "x.0.1" are two subscripts, not a fraction.
  const bool subscript = !tokens_.empty() && tokens_.back().kind == TokenKind::kOperator && tokens_.back().text == ".";
  std::string text;
  size_t i = at_;
  const auto digits = [&] {
    while (i < s_.size() && (is_decimal(s_[i]) || (s_[i] == '_' && i + 1 < s_.size() && is_decimal(s_[i + 1])))) {
      if (s_[i] != '_') text.push_back(s_[i]);
      ++i;
    }
  };
  const auto at = [&](size_t k) { return k < s_.size() ? s_[k] : '\0'; };
  if (s_[i] == '0' && (at(i + 1) == 'x' || at(i + 1) == 'X' || at(i + 1) == 'o' || at(i + 1) == 'b')) {
    return syntax_error(position(at_), "hexadecimal, octal and binary numbers are not supported",
                        ErrorCode::kUnsupported);
  }
  digits();
  bool real = false;
  if (!subscript && at(i) == '.' && is_decimal(at(i + 1))) {
    real = true;
    text.push_back('.');
    ++i;
    digits();
  }
  const size_t sign = at(i + 1) == '+' || at(i + 1) == '-' ? 1 : 0;
  if (!subscript && (at(i) == 'e' || at(i) == 'E') && is_decimal(at(i + 1 + sign))) {
    real = true;
    text.append(s_.substr(i, 1 + sign));
    i += 1 + sign;
    digits();
  }
  emit(real ? TokenKind::kFloat : TokenKind::kInteger, text);
  at_ = i;
  return {};
}

Status Lexer::string_literal() {
  const char quote = s_[at_];
  const Position pos = position(at_);
  size_t end = at_ + 1;
  while (end < s_.size() && s_[end] != quote) end += s_[end] == '\\' ? 2 : 1;
  if (end >= s_.size()) return syntax_error(pos, "the string is not closed");
  KEDGE_ASSIGN(text, unescape(s_.substr(at_ + 1, end - at_ - 1), pos));
  tokens_.push_back({TokenKind::kString, pos, std::move(text)});
  at_ = end + 1;
  return {};
}

Result<std::string> Lexer::unescape(std::string_view body, Position pos) const {
  std::string out;
  for (size_t i = 0; i < body.size();) {
    if (body[i] != '\\' || i + 1 >= body.size()) {
      out.push_back(body[i++]);
      continue;
    }
    KEDGE_ASSIGN(used, escape(body, i + 1, pos, &out));
    i += 1 + used;
  }
  return out;
}

// Python's escapes. `at` is behind the backslash; returns how many bytes were used.
Result<size_t> Lexer::escape(std::string_view body, size_t at, Position pos, std::string* out) const {
  static constexpr std::string_view kFrom = "\\'\"abfnrtv";
  static constexpr std::string_view kTo = "\\'\"\a\b\f\n\r\t\v";
  const char c = body[at];
  if (const size_t i = kFrom.find(c); i != std::string_view::npos) {
    out->push_back(kTo[i]);
    return size_t{1};
  }
  if (c == '\n') return size_t{1};
  if (c >= '0' && c <= '7') {
    char32_t code = 0;
    size_t n = 0;
    for (; n < 3 && at + n < body.size() && body[at + n] >= '0' && body[at + n] <= '7'; ++n) {
      code = code * 8 + static_cast<char32_t>(body[at + n] - '0');
    }
    append_char(code, out);
    return n;
  }
  if (c == 'N') return syntax_error(pos, "the escape '\\N{...}' is not supported", ErrorCode::kUnsupported);
  const size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (width == 0) {  // an unknown escape stands for itself
    out->push_back('\\');
    return size_t{0};
  }
  char32_t code = 0;
  for (size_t n = 1; n <= width; ++n) {
    const int digit = at + n < body.size() ? hex_value(body[at + n]) : -1;
    if (digit < 0 || code > 0x10FFFF)
      return syntax_error(pos, std::string("the string has a broken '\\") + c + "' escape");
    code = code * 16 + static_cast<char32_t>(digit);
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
    return syntax_error(pos, "the string's escape is not a character");
  append_char(code, out);
  return width + 1;
}

Status Lexer::operator_token() {
  static constexpr std::array<std::string_view, 26> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                                  "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                                  ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
  const std::string_view rest = s_.substr(at_);
  const auto it =
      std::find_if(kOperators.begin(), kOperators.end(), [&](std::string_view op) { return rest.starts_with(op); });
  if (it == kOperators.end()) {
    return syntax_error(position(at_),
                        "unexpected character '" + std::string(rest.substr(0, char_at(s_, at_).size)) + "'");
  }
  const char c = rest[0];
  if (c == '(') brackets_.push_back(')');
  if (c == '[') brackets_.push_back(']');
  if (c == '{') brackets_.push_back('}');
  if (c == ')' || c == ']' || c == '}') {
    if (brackets_.empty() || brackets_.back() != c)
      return syntax_error(position(at_), std::string("unexpected '") + c + "'");
    brackets_.pop_back();
  }
  emit(TokenKind::kOperator, std::string(*it));
  at_ += it->size();
  return {};
}

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) { return Lexer(source).run(); }

Error syntax_error(Position pos, const std::string& message, ErrorCode code) {
  return {code, "line " + std::to_string(pos.line) + ", column " + std::to_string(pos.column) + ": " + message};
}

}  // namespace kedge::tokenizer::jinja
