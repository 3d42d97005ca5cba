#include "router/recompute.h"

#include <algorithm>
#include <array>

#include "router/text_norm.h"

namespace kedge {

namespace {

constexpr size_t npos = std::string_view::npos;
constexpr int kMaxDepth = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

struct Token {
  enum Kind { kNumber, kSign, kWord } kind = kWord;
  std::string text;  // "**" is "^"
  Rational value = Rational::whole(0);
  bool space_before = false;
};

void replace_all(std::string& s, std::string_view from, std::string_view to) {
  for (size_t at = s.find(from); at != npos; at = s.find(from, at + to.size())) s.replace(at, from.size(), to);
}

// Lower case, the signs of print as those of a keyboard.
std::string keyboard_text(std::string_view question) {
  std::string text = folded(question);
  replace_all(text, "\u2212", "-");
  replace_all(text, "\u2013", "-");
  replace_all(text, "\u00d7", "*");
  replace_all(text, "\u00b7", "*");
  replace_all(text, "\u00f7", "/");
  replace_all(text, "\u2019", "'");
  replace_all(text, "**", "^");
  return text;
}

// Nothing when a character has no place in a sum.
std::optional<std::vector<Token>> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  bool space = true;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == ' ') {
      space = true;
      ++i;
      continue;
    }
    Token token{.text = {}, .space_before = space};
    space = false;
    size_t end = i + 1;
    if (is_digit(c) || (c == '.' && end < text.size() && is_digit(text[end]))) {
      const auto goes_on = [&](size_t at) {
        if (is_digit(text[at])) return true;
        return (text[at] == '.' || text[at] == ',') && at + 1 < text.size() && is_digit(text[at + 1]);
      };
      while (end < text.size() && goes_on(end)) ++end;
      if (end < text.size() && is_letter(text[end]) && text[end] != 'x') return std::nullopt;  // 3rd, 5kg
      const auto value = parse_number(text.substr(i, end - i));
      const bool code = c == '0' && end > i + 1 && is_digit(text[i + 1]);  // dates and numbers of telephones
      if (!value || code) return std::nullopt;
      token.kind = Token::kNumber;
      token.value = *value;
    } else if (is_letter(c)) {
      while (end < text.size() && (is_letter(text[end]) || text[end] == '\'')) ++end;
    } else if (std::string_view("+-*/^()=?.,:!%").find(c) != npos) {
      token.kind = Token::kSign;
    } else {
      return std::nullopt;
    }
    token.text = std::string(text.substr(i, end - i));
    if (token.text == "x") token.kind = Token::kSign, token.text = "*";
    tokens.push_back(std::move(token));
    i = end;
  }
  return tokens;
}

// Reads the tokens of one question from left to right.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  std::optional<ArithmeticQuestion> question() {
    accept_all({"question", ":"});
    accept_all({"please"});
    const bool cued = cue();
    auto result = template_of();
    const bool bare = !result && at_ == after_cue_;
    if (bare) result = sum(0);
    if (!result || !ending()) return std::nullopt;
    if (n_operations_ == 0 || (bare && !is_meant(cued))) return std::nullopt;
    question_.result = *result;
    return question_;
  }

 private:
  bool has(size_t ahead = 0) const { return at_ + ahead < tokens_.size(); }
  bool is(std::string_view text, size_t ahead = 0) const {
    return has(ahead) && tokens_[at_ + ahead].kind != Token::kNumber && tokens_[at_ + ahead].text == text;
  }
  bool accept_all(std::initializer_list<std::string_view> words) {
    size_t ahead = 0;
    for (std::string_view w : words) {
      if (!is(w, ahead++)) return false;
    }
    at_ += words.size();
    return true;
  }
  bool accept(std::string_view word) { return accept_all({word}); }

  // Words in front that ask for a number.
  bool cue() {
    const bool asked = accept_all({"what", "is", "the", "result", "of"}) ||
                       accept_all({"what", "is", "the", "value", "of"}) || accept_all({"what", "is"}) ||
                       accept("what's") || accept_all({"how", "much", "is"}) || accept_all({"what", "does"}) ||
                       accept_all({"what", "do"}) || accept("compute") || accept("calculate") || accept("evaluate") ||
                       accept("solve") || accept_all({"work", "out"});
    if (asked) accept(":");
    after_cue_ = at_;
    return asked;
  }

  // "Subtract a from b", "the sum of a and b": what is no formula.
  std::optional<Rational> template_of() {
    if (accept("add")) return pair({"and", "to"}, '+', false);
    if (accept("subtract")) return pair({"from"}, '-', true);
    if (accept("multiply")) return pair({"by", "and"}, '*', false);
    if (accept("divide")) return pair({"by"}, '/', false);
    const size_t start = at_;
    accept("the");
    if (accept_all({"sum", "of"})) return list('+');
    if (accept_all({"product", "of"})) return list('*');
    if (accept_all({"quotient", "of"})) return pair({"and"}, '/', false);
    if (accept_all({"difference", "between"}) || accept_all({"difference", "of"})) {
      auto result = pair({"and"}, '-', false);
      // Of 3 and 10 some say 7, some -7.
      return result && result->numerator() < 0 ? std::nullopt : result;
    }
    at_ = start;
    return std::nullopt;
  }

  std::optional<Rational> pair(std::initializer_list<std::string_view> joins, char op, bool swapped) {
    const auto a = unary(0);
    if (!a || std::none_of(joins.begin(), joins.end(), [&](std::string_view j) { return accept(j); }))
      return std::nullopt;
    const auto b = unary(0);
    if (!b) return std::nullopt;
    return swapped ? apply(*b, op, *a) : apply(*a, op, *b);
  }

  std::optional<Rational> list(char op) {
    auto total = unary(0);
    while (total && (is(",") || is("and"))) {
      accept(",");
      accept("and");
      const auto next = unary(0);
      if (!next) return std::nullopt;
      total = apply(*total, op, *next);
    }
    return total;
  }

  std::optional<Rational> apply(const Rational& a, char op, const Rational& b) {
    ++n_operations_;
    question_.divides = question_.divides || op == '/';
    switch (op) {
      case '+':
        return a.plus(b);
      case '-':
        return a.minus(b);
      case '*':
        return a.times(b);
      case '/':
        return a.over(b);
      default:
        return a.power(b);
    }
  }

  char additive() {
    if (is("+") || is("-")) {
      // 555-1234 and 1914-1918 are no differences.
      if (is("-") && has(1) && !tokens_[at_].space_before && !tokens_[at_ + 1].space_before) tight_minus_ = true;
      return tokens_[at_++].text[0];
    }
    if (accept("plus")) return '+';
    return accept("minus") ? '-' : '\0';
  }

  char multiplicative() {
    if (is("*") || is("/")) {
      if (is("/") && !tokens_[at_].space_before) tight_slash_ = true;
      return tokens_[at_++].text[0];
    }
    if (accept("times") || accept_all({"multiplied", "by"})) return '*';
    return accept_all({"divided", "by"}) || accept("over") ? '/' : '\0';
  }

  std::optional<Rational> sum(int depth) {
    auto left = product(depth);
    while (left) {
      const char op = additive();
      if (op == '\0') break;
      const auto right = product(depth);
      if (!right) return std::nullopt;
      left = apply(*left, op, *right);
    }
    return left;
  }

  std::optional<Rational> product(int depth) {
    auto left = unary(depth);
    while (left) {
      const char op = multiplicative();
      if (op == '\0') break;
      const auto right = unary(depth);
      if (!right) return std::nullopt;
      left = apply(*left, op, *right);
    }
    return left;
  }

  std::optional<Rational> unary(int depth) {
    if (depth > kMaxDepth) return std::nullopt;
    if (accept("-") || accept_all({"negative"})) {
      const auto value = unary(depth + 1);
      return value ? Rational::whole(0).minus(*value) : std::nullopt;
    }
    return power(depth);
  }

  std::optional<Rational> power(int depth) {
    auto base = primary(depth);
    if (!base) return base;
    if (accept("squared")) return apply(*base, '^', Rational::whole(2));
    if (accept("cubed")) return apply(*base, '^', Rational::whole(3));
    if (!accept("^") && !accept_all({"to", "the", "power", "of"})) return base;
    const auto exponent = unary(depth + 1);
    return exponent ? apply(*base, '^', *exponent) : std::nullopt;
  }

  std::optional<Rational> primary(int depth) {
    if (accept("(")) {
      const auto inner = sum(depth + 1);
      return inner && accept(")") ? inner : std::nullopt;
    }
    if (!has() || tokens_[at_].kind != Token::kNumber) return std::nullopt;
    const Rational value = tokens_[at_++].value;
    question_.operands.push_back(value);
    if (!accept_all({"%", "of"}) && !accept_all({"percent", "of"})) return value;
    const auto whole = unary(depth + 1);
    const auto part = value.over(Rational::whole(100));
    return whole && part ? apply(*part, '*', *whole) : std::nullopt;
  }

  // What may stand behind the expression: nothing else may.
  bool ending() {
    equals_ = accept("=") || accept_all({"is", "equal", "to"}) || accept("equals") || accept("equal");
    if (equals_) accept("what");
    accept("?");
    while (accept(".") || accept("!") || accept("?")) {
    }
    for (const auto& note : {std::initializer_list<std::string_view>{"answer", "with", "just", "the", "number"},
                             {"answer", "with", "only", "the", "number"},
                             {"answer", "with", "the", "number", "only"},
                             {"give", "only", "the", "number"},
                             {"just", "the", "number"},
                             {"only", "the", "number"}}) {
      if (accept_all(note)) break;
    }
    accept(".");
    return !has();
  }

  // A formula alone may be a score, a date, a name (24/7): it needs a word or sign that asks.
  bool is_meant(bool cued) const {
    if (tight_slash_ && !equals_) {
      const auto& o = question_.operands;
      if (o.size() != 2 || o[1].numerator() == 0 || !o[0].over(o[1]) || !o[0].over(o[1])->is_whole()) return false;
    }
    if (tight_minus_ && !equals_ && question_.operands.size() == 2) {
      const auto size = [](const Rational& r) { return r.numerator(); };
      if (size(question_.operands[0]) >= 100 && size(question_.operands[1]) >= 1000) return false;
    }
    if (cued || equals_) return true;
    return std::any_of(tokens_.begin(), tokens_.end(), [](const Token& t) {
      return t.text == "+" || t.text == "*" || t.text == "plus" || t.text == "times";
    });
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  size_t after_cue_ = 0;
  int n_operations_ = 0;
  bool equals_ = false;
  bool tight_minus_ = false;
  bool tight_slash_ = false;
  ArithmeticQuestion question_;
};

struct Written {
  Rational value = Rational::whole(0);
  size_t decimals = 0;
};

// The numbers that stand in a text; a fraction counts as one.
std::vector<Written> numbers_in(std::string_view text) {
  std::vector<Written> numbers;
  for (size_t i = 0; i < text.size();) {
    if (!is_digit(text[i]) && !(text[i] == '.' && i + 1 < text.size() && is_digit(text[i + 1]))) {
      ++i;
      continue;
    }
    const bool negative = i > 0 && text[i - 1] == '-' && (i < 2 || !is_digit(text[i - 2]));
    size_t end = i + 1;
    while (end < text.size() && (is_digit(text[end]) || ((text[end] == '.' || text[end] == ',') &&
                                                         end + 1 < text.size() && is_digit(text[end + 1])))) {
      ++end;
    }
    const std::string_view digits = text.substr(i, end - i);
    if (const auto value = parse_number(std::string(negative ? "-" : "") + std::string(digits))) {
      const size_t dot = digits.find('.');
      numbers.push_back({*value, dot == npos ? 0 : digits.size() - dot - 1});
    }
    if (numbers.size() >= 2 && i >= 1 && text[i - 1] == '/' && i >= 2 && is_digit(text[i - 2])) {
      const Rational below = numbers.back().value;
      numbers.pop_back();
      if (const auto fraction = numbers.back().value.over(below)) numbers.back() = {*fraction, 0};
    }
    i = end;
  }
  return numbers;
}

bool equal_or_rounded(const Written& written, const ArithmeticQuestion& q) {
  if (written.value == q.result) return true;
  if (!q.divides || written.decimals == 0 || written.decimals > 30) return false;
  auto unit = Rational::make(1, 2);
  for (size_t i = 0; i < written.decimals && unit; ++i) unit = unit->over(Rational::whole(10));
  const auto difference = written.value.minus(q.result);
  if (!unit || !difference) return false;
  const auto above = unit->minus(*difference);
  const auto below = unit->plus(*difference);
  return above && below && above->numerator() >= 0 && below->numerator() >= 0;
}

}  // namespace

std::optional<ArithmeticQuestion> parse_arithmetic(std::string_view question) {
  if (question.size() > 4096) return std::nullopt;
  auto tokens = tokens_of(keyboard_text(question));
  if (!tokens) return std::nullopt;
  return Parser(std::move(*tokens)).question();
}

std::optional<VerifierPrompt> parse_verifier_prompt(std::string_view text) {
  constexpr std::string_view kQuestion = "Question:";
  constexpr std::string_view kProposed = "\nProposed answer:";
  const size_t proposed = text.find(kProposed);
  if (proposed == npos || !text.starts_with(kQuestion)) return std::nullopt;
  const size_t line = text.find('\n', proposed + kProposed.size());
  if (line == npos) return std::nullopt;
  const std::string asked = folded(text.substr(line));
  if (asked != "is the answer correct?" && asked != "is the proposed answer correct?" &&
      asked != "is the answer right?") {
    return std::nullopt;
  }
  const size_t value = proposed + kProposed.size();
  return VerifierPrompt{text.substr(kQuestion.size(), proposed - kQuestion.size()), text.substr(value, line - value)};
}

std::optional<bool> gives_result(std::string_view answer, const ArithmeticQuestion& question) {
  std::string text = keyboard_text(answer);
  if (text.find("remainder") != npos) return std::nullopt;
  if (const size_t equals = text.rfind('='); equals != npos) text.erase(0, equals + 1);
  std::vector<Written> numbers = numbers_in(text);
  if (numbers.size() > 1) {
    // "6 and 5 make 11" names its operands.
    for (const Rational& operand : question.operands) {
      const auto at =
          std::find_if(numbers.begin(), numbers.end(), [&](const Written& w) { return w.value == operand; });
      if (at != numbers.end() && numbers.size() > 1) numbers.erase(at);
    }
  }
  if (numbers.size() != 1) return std::nullopt;
  return equal_or_rounded(numbers.front(), question);
}

std::optional<std::string> recompute(std::string_view question) {
  if (const auto prompt = parse_verifier_prompt(question)) {
    const auto inner = parse_arithmetic(prompt->question);
    const auto right = inner ? gives_result(prompt->proposed, *inner) : std::nullopt;
    return right ? std::optional<std::string>(*right ? "yes" : "no") : std::nullopt;
  }
  const auto parsed = parse_arithmetic(question);
  return parsed ? std::optional<std::string>(parsed->result.text()) : std::nullopt;
}

}  // namespace kedge
