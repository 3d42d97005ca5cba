// Regular expressions as ECMA 262 has them with the u flag, for whole texts. They are read into terms first, as what an
// anchor means depends on where in the text it stands.
#include <algorithm>
#include <string>
#include <vector>

#include "engine/grammar/grammar.h"
#include "engine/grammar/regex_class.h"
#include "engine/grammar/text_cursor.h"

namespace kedge::engine::grammar {
namespace {

using NodeId = Grammar::NodeId;

struct Term {
  enum class Kind { kExpression, kStart, kEnd, kSequence, kChoice, kRepeat };
  Kind kind;
  NodeId expression = 0;         // kExpression: one character
  std::vector<Term> parts = {};  // kRepeat: one
  size_t least = 0;
  size_t most = 0;
  size_t offset = 0;
};

constexpr std::string_view kSyntax = "^$\\.*+?()[]{}|/";

class RegexReader {
 public:
  RegexReader(std::string_view pattern, Grammar& into) : at_(pattern), into_(into) {}

  Result<Term> read() {
    KEDGE_ASSIGN(term, choice(0));
    if (!at_.done()) return wrong(at_.offset(), "')' without '('");
    return term;
  }

  Error wrong(size_t offset, const std::string& what, ErrorCode code = ErrorCode::kInvalidArgument) const {
    return {code, "regular expression, offset " + std::to_string(offset) + ": " + what};
  }

 private:
  static constexpr int kMaxNesting = 200;  // of groups

  Error unsupported(size_t offset, const std::string& what) const {
    return wrong(offset, what + " is not supported", ErrorCode::kUnsupported);
  }

  Result<Term> choice(int nesting) {
    Term choice{.kind = Term::Kind::kChoice};
    do {
      KEDGE_ASSIGN(part, sequence(nesting));
      choice.parts.push_back(std::move(part));
    } while (at_.take("|"));
    return choice.parts.size() == 1 ? std::move(choice.parts[0]) : std::move(choice);
  }

  Result<Term> sequence(int nesting) {
    Term sequence{.kind = Term::Kind::kSequence};
    while (!at_.done() && at_.peek() != '|' && at_.peek() != ')') {
      const size_t begin = at_.offset();
      KEDGE_ASSIGN(part, atom(nesting));
      const bool anchor = part.kind == Term::Kind::kStart || part.kind == Term::Kind::kEnd;
      KEDGE_ASSIGN(term, quantified(std::move(part), begin));
      if (anchor && term.kind == Term::Kind::kRepeat) return wrong(begin, "an anchor cannot be repeated");
      sequence.parts.push_back(std::move(term));
    }
    return sequence;
  }

  Result<Term> quantified(Term part, size_t begin) {
    const size_t from = at_.offset();
    Term repeat{.kind = Term::Kind::kRepeat, .most = kNoLimit, .offset = begin};
    if (at_.take("*")) {
    } else if (at_.take("+")) {
      repeat.least = 1;
    } else if (at_.take("?")) {
      repeat.most = 1;
    } else if (at_.take("{")) {
      if (!at_.number(repeat.least)) return wrong(at_.offset(), "a number is missing in the braces");
      repeat.most = repeat.least;
      if (at_.take(",") && !at_.number(repeat.most)) repeat.most = kNoLimit;
      if (!at_.take("}")) return wrong(at_.offset(), "'}' is missing before " + in_words(at_.peek()));
      if (repeat.least > repeat.most) return wrong(from, "the numbers of the braces are out of order");
    } else {
      return part;
    }
    at_.take("?");  // which match is found first is no matter
    repeat.parts.push_back(std::move(part));
    return repeat;
  }

  Result<Term> atom(int nesting) {
    const size_t begin = at_.offset();
    const auto expression = [&](NodeId node) {
      return Term{.kind = Term::Kind::kExpression, .expression = node, .offset = begin};
    };
    const char32_t c = at_.next();
    switch (c) {
      case '^':
        return Term{.kind = Term::Kind::kStart, .offset = begin};
      case '$':
        return Term{.kind = Term::Kind::kEnd, .offset = begin};
      case '.':
        return expression(into_.chars_but({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
      case '(':
        return group(nesting, begin);
      case '[': {
        KEDGE_ASSIGN(node, char_class(begin));
        return expression(node);
      }
      case '\\': {
        KEDGE_ASSIGN(ranges, escape(begin, false));
        return expression(into_.chars(std::move(ranges)));
      }
      case '*':
      case '+':
      case '?':
      case '{':
        return wrong(begin, "nothing stands before " + in_words(c));
      case '}':
      case ']':
        return wrong(begin, "a lone " + in_words(c) + "; a backslash before it makes it a character");
      default:
        return expression(into_.chars({{c, c}}));
    }
  }

  Result<Term> group(int nesting, size_t begin) {
    if (nesting >= kMaxNesting) {
      return wrong(begin, "more than " + std::to_string(kMaxNesting) + " groups within each other",
                   ErrorCode::kCapacity);
    }
    if (at_.take("?") && !at_.take(":")) {
      for (const char* look : {"=", "!", "<=", "<!"}) {
        if (at_.starts_with(look)) return unsupported(begin, std::string("look-around ('(?") + look + "')");
      }
      if (!at_.take("<")) return unsupported(begin, "this kind of group");
      const size_t name = at_.offset();
      while (!at_.done() && at_.peek() != '>' && at_.peek() != ')') at_.next();
      if (at_.offset() == name || !at_.take(">"))
        return wrong(name, "the group's name is missing, or not closed by '>'");
    }
    KEDGE_ASSIGN(inner, choice(nesting + 1));
    if (!at_.take(")")) return wrong(begin, "'(' without ')'");
    return inner;
  }

  // Behind a backslash: one character, or a class of them.
  Result<std::vector<CharRange>> escape(size_t begin, bool in_class) {
    const char32_t c = at_.next();
    const auto one = [](char32_t value) { return std::vector<CharRange>{{value, value}}; };
    char32_t value = 0;
    switch (c) {
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'v':
        return one('\v');
      case 'f':
        return one('\f');
      case 'r':
        return one('\r');
      case 'c': {
        const char32_t letter = at_.next() | 0x20;
        if (letter < 'a' || letter > 'z') return wrong(begin, "a letter is missing behind \\c");
        return one(letter & 0x1f);
      }
      case 'x':
        if (!at_.hex(2, value)) return wrong(begin, "\\x needs two hexadecimal digits");
        return one(value);
      case 'u': {
        KEDGE_ASSIGN(character, unicode_escape(begin));
        return one(character);
      }
      case 'd':
      case 'w':
      case 's':
        return class_escape(c);
      case 'D':
      case 'W':
      case 'S':
        return complement(class_escape(c | 0x20));
      case 'p':
      case 'P': {
        KEDGE_ASSIGN(ranges, property(begin));
        return c == 'p' ? ranges : complement(ranges);
      }
      case 'b':
      case 'B':
        if (c == 'b' && in_class) return one('\b');
        return unsupported(begin, "a word boundary");
      case 'k':
        return unsupported(begin, "a back-reference");
      case TextCursor::kEnd:
        return wrong(begin, "a backslash at the end");
      default:
        break;
    }
    if (c == '0' && (at_.peek() < '0' || at_.peek() > '9')) return one(0);
    if (c >= '0' && c <= '9') return unsupported(begin, "a back-reference, or an octal number,");
    const bool syntax = c < 0x80 && kSyntax.find(static_cast<char>(c)) != std::string_view::npos;
    // Beyond the standard: any punctuation may have a backslash, as other engines and many schemas have it.
    const bool mark = c < 0x80 && c > 0x20 && c != '_' && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != 0x7f;
    if (syntax || mark || c == '_') return one(c);
    return wrong(begin, "unknown escape of " + in_words(c));
  }

  Result<char32_t> unicode_escape(size_t begin) {
    char32_t value = 0;
    if (at_.take("{")) {
      const size_t digits = at_.offset();
      char32_t digit = 0;
      while (!at_.starts_with("}")) {
        if (!at_.hex(1, digit) || value > 0x10ffff) return wrong(begin, "\\u{...} is no character of Unicode");
        value = value * 16 + digit;
      }
      if (at_.offset() == digits) return wrong(begin, "\\u{} without digits");
      at_.take("}");
    } else {
      if (!at_.hex(4, value)) return wrong(begin, "\\u needs four hexadecimal digits, or braces");
      char32_t low = 0;
      if (value >= 0xd800 && value < 0xdc00 && at_.take("\\u")) {
        if (!at_.hex(4, low) || low < 0xdc00 || low > 0xdfff) return wrong(begin, "half a surrogate pair");
        value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
      }
    }
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
      return wrong(begin, "\\u: " + in_words(value) + " is no character of UTF-8 texts");
    }
    return value;
  }

  Result<std::vector<CharRange>> property(size_t begin) {
    if (!at_.take("{")) return wrong(begin, "\\p without a name in braces");
    const size_t name = at_.offset();
    while (!at_.done() && at_.peek() != '}') at_.next();
    const std::string_view text = at_.text().substr(name, at_.offset() - name);
    if (!at_.take("}")) return wrong(begin, "\\p{ is not closed");
    const auto ranges = property_class(text);
    if (!ranges) return unsupported(begin, "the property '" + std::string(text) + "'");
    return *ranges;
  }

  std::vector<CharRange> complement(std::vector<CharRange> ranges) {
    return into_.node(into_.chars_but(std::move(ranges))).chars;
  }

  Result<std::vector<CharRange>> class_atom() {
    const size_t begin = at_.offset();
    const char32_t c = at_.next();
    if (c == '\\') return escape(begin, true);
    return std::vector<CharRange>{{c, c}};
  }

  Result<NodeId> char_class(size_t begin) {
    const bool negated = at_.take("^");
    std::vector<CharRange> all;
    while (!at_.take("]")) {
      if (at_.done()) return wrong(begin, "'[' without ']'");
      const size_t from = at_.offset();
      KEDGE_ASSIGN(first, class_atom());
      if (at_.starts_with("-") && !at_.starts_with("-]")) {
        at_.next();
        if (at_.done()) return wrong(begin, "'[' without ']'");
        KEDGE_ASSIGN(last, class_atom());
        const bool single =
            first.size() == 1 && last.size() == 1 && first[0].first == first[0].last && last[0].first == last[0].last;
        if (!single) return wrong(from, "a class of characters is no end of a range");
        if (first[0].first > last[0].first) return wrong(from, "the range ends before it begins");
        first[0].last = last[0].first;
      }
      all.insert(all.end(), first.begin(), first.end());
    }
    return negated ? into_.chars_but(std::move(all)) : into_.chars(std::move(all));
  }

  TextCursor at_;
  Grammar& into_;
};

// Terms as expressions, by where in the text they stand.
class RegexBuilder {
 public:
  struct Where {
    bool start;  // nothing of the text is before
    bool end;    // nothing is behind
  };

  explicit RegexBuilder(Grammar& into) : into_(into) {}

  Result<NodeId> build(const Term& term, Where where) {
    switch (term.kind) {
      case Term::Kind::kExpression:
        return term.expression;
      case Term::Kind::kStart:
        return where.start ? into_.empty() : into_.nothing();
      case Term::Kind::kEnd:
        return where.end ? into_.empty() : into_.nothing();
      case Term::Kind::kChoice: {
        std::vector<NodeId> parts;
        for (const Term& part : term.parts) {
          KEDGE_ASSIGN(node, build(part, where));
          parts.push_back(node);
        }
        return into_.choice(parts);
      }
      case Term::Kind::kRepeat: {
        if (has_anchor(term.parts[0])) {
          return Error{ErrorCode::kUnsupported, "regular expression, offset " + std::to_string(term.offset) +
                                                    ": an anchor in what is repeated is not supported"};
        }
        KEDGE_ASSIGN(part, build(term.parts[0], {false, false}));
        return into_.repeat(part, term.least, term.most);
      }
      case Term::Kind::kSequence:
        return sequence(term.parts, where);
    }
    return into_.nothing();
  }

 private:
  static bool has_anchor(const Term& term) {
    return term.kind == Term::Kind::kStart || term.kind == Term::Kind::kEnd ||
           std::any_of(term.parts.begin(), term.parts.end(), has_anchor);
  }

  // Whether it may match the empty text there.
  static bool nullable(const Term& term, Where where) {
    const auto part = [&](const Term& t) { return nullable(t, where); };
    switch (term.kind) {
      case Term::Kind::kExpression:
        return false;
      case Term::Kind::kStart:
        return where.start;
      case Term::Kind::kEnd:
        return where.end;
      case Term::Kind::kSequence:
        return std::all_of(term.parts.begin(), term.parts.end(), part);
      case Term::Kind::kChoice:
        return std::any_of(term.parts.begin(), term.parts.end(), part);
      case Term::Kind::kRepeat:
        return term.least == 0 || part(term.parts[0]);
    }
    return false;
  }

  // By which part is the first one that is not empty, and which the last: those before are at the start if the sequence
  // is, those behind at the end. Parts between may be empty or not; that only adds what is there anyway.
  Result<NodeId> sequence(const std::vector<Term>& parts, Where where) {
    if (std::none_of(parts.begin(), parts.end(), has_anchor)) return run(parts, 0, parts.size(), where);
    std::vector<NodeId> ways;
    const auto empty_at = [&](const Where& at) { return [&, at](const Term& part) { return nullable(part, at); }; };
    if (std::all_of(parts.begin(), parts.end(), empty_at(where))) ways.push_back(into_.empty());
    for (size_t first = 0; first < parts.size(); ++first) {
      for (size_t last = parts.size(); last-- > first;) {
        KEDGE_ASSIGN(way, run(parts, first, last + 1, where));
        ways.push_back(way);
        if (!nullable(parts[last], {false, where.end})) break;
      }
      if (!nullable(parts[first], {where.start, false})) break;
    }
    return into_.choice(ways);
  }

  Result<NodeId> run(const std::vector<Term>& parts, size_t first, size_t last, Where where) {
    std::vector<NodeId> nodes;
    for (size_t i = first; i < last; ++i) {
      KEDGE_ASSIGN(node, build(parts[i], {where.start && i == first, where.end && i + 1 == last}));
      nodes.push_back(node);
    }
    return into_.sequence(nodes);
  }

  Grammar& into_;
};

}  // namespace

Result<NodeId> read_regex(std::string_view pattern, Grammar& into) {
  if (!base::utf8_valid(pattern)) {
    return Error{ErrorCode::kInvalidArgument,
                 "regular expression, offset " + std::to_string(base::utf8_valid_until(pattern, 0)) + ": not UTF-8"};
  }
  KEDGE_ASSIGN(term, RegexReader(pattern, into).read());
  KEDGE_ASSIGN(node, RegexBuilder(into).build(term, {true, true}));
  KEDGE_TRY(into.status());
  return node;
}

}  // namespace kedge::engine::grammar
