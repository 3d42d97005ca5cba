// GBNF, as llama.cpp has it (grammars/README.md of that project): BNF with regular operators over characters.
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/grammar/grammar.h"
#include "engine/grammar/text_cursor.h"
#include "engine/grammar/utf8_ranges.h"

namespace kedge::engine::grammar {
namespace {

using NodeId = Grammar::NodeId;

class GbnfReader {
 public:
  GbnfReader(std::string_view text, Grammar& into) : at_(text), into_(into) {}

  Result<NodeId> read() {
    space(true);
    while (!at_.done()) KEDGE_TRY(rule());
    const auto root = rules_.find("root");
    if (root == rules_.end()) return wrong(at_.offset(), "no rule is called 'root'");
    for (const Rule& rule : order_) {
      if (into_.defined(rule.id)) continue;
      return wrong(rule.used_at, "the rule '" + into_.rule_name(rule.id) + "' is not defined");
    }
    return into_.rule(root->second);
  }

 private:
  static constexpr int kMaxNesting = 256;  // of parentheses
  struct Rule {
    Grammar::RuleId id;
    size_t used_at;
  };

  Error wrong(size_t offset, const std::string& what, ErrorCode code = ErrorCode::kInvalidArgument) const {
    return {code, "grammar, " + at_.line_and_column(offset) + ": " + what};
  }

  // Blanks and comments; line ends too where a rule goes on behind them.
  void space(bool lines) {
    for (;;) {
      const char32_t c = at_.peek();
      if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        at_.next();
      } else if (c == '#') {
        while (!at_.done() && at_.peek() != '\n' && at_.peek() != '\r') at_.next();
      } else {
        return;
      }
    }
  }

  static bool in_name(char32_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  }

  std::string name() {
    std::string name;
    while (in_name(at_.peek())) name.push_back(static_cast<char>(at_.next()));
    return name;
  }

  Grammar::RuleId rule_of(const std::string& name, size_t offset) {
    const auto [found, added] = rules_.try_emplace(name, 0);
    if (added) {
      found->second = into_.declare(name);
      order_.push_back({found->second, offset});
    }
    return found->second;
  }

  Status rule() {
    const size_t begin = at_.offset();
    const std::string called = name();
    if (called.empty()) return wrong(begin, "the name of a rule is missing before " + in_words(at_.peek()));
    space(false);
    if (!at_.take("::=")) return wrong(at_.offset(), "'::=' is missing behind the rule's name '" + called + "'");
    space(true);
    const Grammar::RuleId id = rule_of(called, begin);
    if (into_.defined(id)) return wrong(begin, "the rule '" + called + "' is defined twice");
    KEDGE_ASSIGN(body, alternatives(0));
    into_.define(id, body);
    if (!at_.done() && at_.peek() != '\n' && at_.peek() != '\r') {
      return wrong(at_.offset(), in_words(at_.peek()) + " is not expected here");
    }
    space(true);
    return into_.status();
  }

  Result<NodeId> alternatives(int nesting) {
    std::vector<NodeId> parts;
    do {
      if (!parts.empty()) space(true);
      KEDGE_ASSIGN(part, sequence(nesting));
      parts.push_back(part);
    } while (at_.take("|"));
    return into_.choice(parts);
  }

  Result<NodeId> sequence(int nesting) {
    std::vector<NodeId> parts;
    for (;;) {
      const size_t begin = at_.offset();
      const char32_t c = at_.peek();
      if (c == '*' || c == '+' || c == '?' || c == '{') {
        if (parts.empty()) return wrong(begin, "nothing stands before " + in_words(c));
        KEDGE_ASSIGN(repeated, repetition(parts.back()));
        parts.back() = repeated;
      } else if (c == '"' || c == '[' || c == '.' || c == '(' || c == '<' || c == '!' || in_name(c)) {
        KEDGE_ASSIGN(part, item(nesting));
        parts.push_back(part);
      } else {
        return into_.sequence(parts);
      }
      space(nesting > 0);
    }
  }

  Result<NodeId> item(int nesting) {
    const size_t begin = at_.offset();
    const char32_t c = at_.peek();
    if (c == '"') return literal();
    if (c == '[') return char_class();
    if (c == '<' || c == '!') return token();
    if (at_.take(".")) return into_.any_char();
    if (c != '(') return into_.rule(rule_of(name(), begin));
    if (nesting >= kMaxNesting) {
      return wrong(begin, "more than " + std::to_string(kMaxNesting) + " parentheses within each other",
                   ErrorCode::kCapacity);
    }
    at_.next();
    space(true);
    KEDGE_ASSIGN(group, alternatives(nesting + 1));
    if (!at_.take(")")) return wrong(at_.offset(), "')' is missing before " + in_words(at_.peek()));
    return group;
  }

  Result<NodeId> repetition(NodeId part) {
    const size_t begin = at_.offset();
    if (at_.take("*")) return into_.repeat(part, 0);
    if (at_.take("+")) return into_.repeat(part, 1);
    if (at_.take("?")) return into_.optional(part);
    at_.take("{");
    space(false);
    size_t least = 0;
    if (!at_.number(least)) return wrong(at_.offset(), "a number is missing in the braces");
    size_t most = least;
    space(false);
    if (at_.take(",")) {
      space(false);
      if (!at_.number(most)) most = kNoLimit;
      space(false);
    }
    if (!at_.take("}")) return wrong(at_.offset(), "'}' is missing before " + in_words(at_.peek()));
    if (least > most) {
      return wrong(begin, "a repetition of at least " + std::to_string(least) + " and at most " + std::to_string(most));
    }
    return into_.repeat(part, least, most);
  }

  // A character of a literal or a class.
  Result<char32_t> character() {
    const size_t begin = at_.offset();
    const char32_t c = at_.next();
    if (c != '\\') return c;
    const char32_t escape = at_.next();
    char32_t value = 0;
    switch (escape) {
      case 'x':
      case 'u':
      case 'U':
        if (!at_.hex(escape == 'x' ? 2 : (escape == 'u' ? 4 : 8), value)) {
          return wrong(begin, "the escape needs more hexadecimal digits");
        }
        if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
          return wrong(begin, "the escape is no character of Unicode");
        }
        return value;
      case 't':
        return char32_t{'\t'};
      case 'r':
        return char32_t{'\r'};
      case 'n':
        return char32_t{'\n'};
      case '\\':
      case '"':
      case '[':
      case ']':
        return escape;
      default:
        return wrong(begin, "unknown escape of " + in_words(escape));
    }
  }

  Result<NodeId> literal() {
    const size_t begin = at_.offset();
    at_.next();
    std::string text;
    while (at_.peek() != '"') {
      if (at_.done()) return wrong(begin, "the string is not closed");
      KEDGE_ASSIGN(c, character());
      append_utf8(c, text);
    }
    at_.next();
    return into_.text(text);
  }

  Result<NodeId> char_class() {
    const size_t begin = at_.offset();
    at_.next();
    const bool negated = at_.take("^");
    std::vector<CharRange> ranges;
    while (at_.peek() != ']') {
      if (at_.done()) return wrong(begin, "the character class is not closed");
      const size_t from = at_.offset();
      KEDGE_ASSIGN(first, character());
      char32_t last = first;
      if (at_.starts_with("-") && !at_.starts_with("-]")) {
        at_.next();
        if (at_.done()) return wrong(begin, "the character class is not closed");
        KEDGE_ASSIGN(end, character());
        last = end;
      }
      if (first > last) return wrong(from, "the range ends before it begins");
      ranges.push_back({first, last});
    }
    at_.next();
    return negated ? into_.chars_but(std::move(ranges)) : into_.chars(std::move(ranges));
  }

  // <text> is a token by its text. By its number it would be a grammar of one vocabulary.
  Result<NodeId> token() {
    const size_t begin = at_.offset();
    if (at_.take("!")) return wrong(begin, "a token that is excluded ('!') is not supported", ErrorCode::kUnsupported);
    if (at_.starts_with("<[")) {
      return wrong(begin, "a token by its number ('<[') is not supported; by its text it is", ErrorCode::kUnsupported);
    }
    const size_t end = at_.text().substr(begin, at_.text().find('\n', begin) - begin).find('>');
    if (end == std::string_view::npos) return wrong(begin, "the token is not closed by '>'");
    const std::string_view text = at_.text().substr(begin, end + 1);
    at_.take(text);
    return into_.marker(text);
  }

  TextCursor at_;
  Grammar& into_;
  std::unordered_map<std::string, Grammar::RuleId> rules_;
  std::vector<Rule> order_;
};

}  // namespace

Result<NodeId> read_gbnf(std::string_view text, Grammar& into) {
  if (!base::utf8_valid(text)) {
    return Error{ErrorCode::kInvalidArgument,
                 "grammar: byte " + std::to_string(base::utf8_valid_until(text, 0)) + " is not UTF-8"};
  }
  KEDGE_ASSIGN(root, GbnfReader(text, into).read());
  KEDGE_TRY(into.status());
  return root;
}

}  // namespace kedge::engine::grammar
