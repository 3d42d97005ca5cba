#include "router/recompute.h"

#include <algorithm>
#include <array>

#include "router/courtesy.h"
#include "router/numeral.h"
#include "router/text_norm.h"

namespace kedge::router {

namespace {

constexpr size_t npos = std::string_view::npos;
constexpr int kMaxDepth = 64;

using WordList = std::initializer_list<std::string_view>;

enum Level : unsigned { kAdditive = 1, kMultiplicative = 2, kPower = 4 };

// Reads the tokens of one question from left to right.
class Parser {
 public:
  Parser(std::vector<NumberToken> tokens, bool asked) : tokens_(std::move(tokens)), asked_(asked) {}

  std::optional<ArithmeticQuestion> question() {
    cue();
    const size_t start = at_;
    auto result = template_of();
    const bool formula = !result && at_ == start;
    if (formula) result = sum(0);
    if (!result || unclear_ || !ending() || n_operations_ == 0) return std::nullopt;
    // In words nobody says which comes first.
    if (word_operator_ && (levels_ & (levels_ - 1)) != 0) return std::nullopt;
    if (word_operator_ && divided_ && multiplied_) return std::nullopt;
    if (formula && !is_meant()) return std::nullopt;
    question_.result = *result;
    return std::move(question_);
  }

 private:
  bool has(size_t ahead = 0) const { return at_ + ahead < tokens_.size(); }
  bool is(std::string_view text, size_t ahead = 0) const {
    return has(ahead) && tokens_[at_ + ahead].kind != NumberToken::kDigits && tokens_[at_ + ahead].text == text;
  }
  bool accept_all(WordList words) {
    size_t ahead = 0;
    for (const std::string_view w : words) {
      if (!is(w, ahead++)) return false;
    }
    at_ += words.size();
    return true;
  }
  bool accept(std::string_view word) { return accept_all({word}); }
  bool accept_any(std::initializer_list<WordList> phrases) {
    return std::any_of(phrases.begin(), phrases.end(), [&](const WordList& p) { return accept_all(p); });
  }

  // Words in front that ask for a number.
  void cue() {
    computes_ = accept_any({{"compute"}, {"calculate"}, {"evaluate"}, {"solve"}, {"work", "out"}, {"determine"}});
    asked_ = accept_any({{"what", "is", "the", "result", "of"},
                         {"what", "is", "the", "result", "when", "you"},
                         {"what", "is", "the", "value", "of"},
                         {"what", "is", "the", "answer", "to"},
                         {"what", "do", "you", "get", "when", "you"},
                         {"what", "do", "you", "get", "if", "you"},
                         {"what", "do", "i", "get", "when", "i"},
                         {"what", "do", "i", "get", "if", "i"},
                         {"what", "is"},
                         {"what's"},
                         {"whats"},
                         {"what", "does"},
                         {"what", "do"},
                         {"what", "would"},
                         {"what", "will"},
                         {"how", "much", "is"},
                         {"how", "much", "are"},
                         {"how", "much", "does"},
                         {"how", "many", "is"},
                         {"how", "many", "are"},
                         {"the", "result", "of"},
                         {"the", "value", "of"},
                         {"result", "of"},
                         {"find"},
                         {"what"}}) ||
             asked_ || computes_;
    accept(":");
  }

  // "Subtract a from b", "the sum of a and b": what is no formula.
  std::optional<Rational> template_of() {
    const size_t start = at_;
    if (accept("add") || accept("sum")) {
      if (accept("up") || accept("together")) return list('+');
      if (const auto both = pair({"to"}, '+', false)) return both;
      at_ = start + 1;
      if (!accept("of")) return list('+');
      at_ = start;
    }
    if (accept("subtract") || accept("take") || accept("deduct")) return pair({"from"}, '-', true);
    if (accept("multiply")) return pair({"by", "and", "with"}, '*', false);
    if (accept("divide")) return pair({"by"}, '/', false);
    accept("the");
    if (accept_any({{"sum", "of"}, {"total", "of"}})) return list('+');
    if (accept_all({"product", "of"})) return list('*');
    if (accept_all({"quotient", "of"})) return pair({"and"}, '/', false);
    if (accept_any({{"average", "of"}, {"mean", "of"}})) return average();
    if (accept_any({{"remainder", "of"}, {"remainder", "when"}})) return remainder();
    if (accept_any({{"difference", "between"}, {"difference", "of"}})) {
      auto result = pair({"and"}, '-', false);
      // Of 3 and 10 some say 7, some -7.
      return result && result->numerator() < 0 ? std::nullopt : result;
    }
    at_ = start;
    return std::nullopt;
  }

  std::optional<Rational> pair(WordList joins, char op, bool swapped) {
    const auto a = listed();
    if (!a || std::none_of(joins.begin(), joins.end(), [&](std::string_view j) { return accept(j); })) {
      return std::nullopt;
    }
    const auto b = listed();
    if (!b) return std::nullopt;
    word_operator_ = true;
    return swapped ? apply(*b, op, *a) : apply(*a, op, *b);
  }

  // A number among others: where "and" joins them it cannot be a part of one.
  std::optional<Rational> listed() {
    const auto taken = take_number(std::span(tokens_).subspan(std::min(at_, tokens_.size())));
    unclear_ = unclear_ || (taken && taken->has_and);
    return unary(0);
  }

  std::optional<std::vector<Rational>> numbers() {
    std::vector<Rational> found;
    do {
      if (!found.empty()) {
        const bool comma = accept(",");
        if (!accept("and") && !comma) return std::nullopt;
      }
      const auto next = listed();
      if (!next) return std::nullopt;
      found.push_back(*next);
    } while (is(",") || is("and"));
    if (found.size() < 2) return std::nullopt;
    return found;
  }

  std::optional<Rational> list(char op) {
    const auto found = numbers();
    if (!found) return std::nullopt;
    word_operator_ = true;
    std::optional<Rational> total = found->front();
    for (size_t i = 1; i < found->size() && total; ++i) total = apply(*total, op, (*found)[i]);
    return total;
  }

  std::optional<Rational> average() {
    const size_t start = at_;
    const auto found = numbers();
    if (!found) return std::nullopt;
    at_ = start;
    question_.operands.clear();
    const auto total = list('+');
    levels_ = 0;  // the division belongs to the word
    return total ? apply(*total, '/', Rational::whole(static_cast<Rational::Int>(found->size()))) : std::nullopt;
  }

  std::optional<Rational> remainder() {
    const auto a = unary(0);
    accept("is");
    if (!a || !accept_any({{"divided", "by"}, {"by"}, {"and"}})) return std::nullopt;
    const auto b = unary(0);
    return b ? modulo(*a, *b) : std::nullopt;
  }

  std::optional<Rational> modulo(const Rational& a, const Rational& b) {
    // Of negative numbers there are two remainders.
    if (!a.is_whole() || !b.is_whole() || a.numerator() < 0 || b.numerator() <= 0) return std::nullopt;
    const Rational rest = Rational::whole(a.numerator() % b.numerator());
    const Rational times = Rational::whole(a.numerator() / b.numerator());
    done(a.text() + " = " + times.text() + " * " + b.text() + " + " + rest.text(), kMultiplicative);
    return rest;
  }

  void done(const std::string& step, unsigned level) {
    ++n_operations_;
    levels_ |= level;
    question_.steps += (question_.steps.empty() ? "" : "; ") + step;
  }

  std::optional<Rational> apply(const Rational& a, char op, const Rational& b) {
    if (op == '^' && a.numerator() == 0 && b.numerator() == 0) return std::nullopt;  // 1 to some, nothing to others
    const auto result = op == '+'   ? a.plus(b)
                        : op == '-' ? a.minus(b)
                        : op == '*' ? a.times(b)
                        : op == '/' ? a.over(b)
                                    : a.power(b);
    if (!result) return result;
    divided_ = divided_ || op == '/';
    multiplied_ = multiplied_ || op == '*';
    const std::string right = b.numerator() < 0 ? "(" + b.text() + ")" : b.text();
    done(a.text() + ' ' + op + ' ' + right + " = " + result->text(), op == '+' || op == '-' ? kAdditive
                                                                     : op == '^'            ? kPower
                                                                                            : kMultiplicative);
    return result;
  }

  char worded(char op) {
    word_operator_ = true;
    return op;
  }

  char additive() {
    if (is("+") || is("-")) {
      const bool before = tokens_[at_].space_before;
      const bool behind = has(1) && tokens_[at_ + 1].space_before;
      if (is("-")) {
        n_minus_ += 1;
        n_tight_minus_ += !before && !behind ? 1 : 0;
        uneven_minus_ = uneven_minus_ || before != behind;
      }
      plus_or_times_ = plus_or_times_ || is("+");
      return tokens_[at_++].text[0];
    }
    if (accept("plus")) return worded('+');
    return accept("minus") || accept_all({"take", "away"}) ? worded('-') : '\0';
  }

  // "3 x 4" and "3x4", but not "2x - 3".
  bool accept_x() {
    if (!is("x") || !has(1)) return false;
    const NumberToken& next = tokens_[at_ + 1];
    if (next.kind != NumberToken::kDigits && next.text != "(") return false;
    if (tokens_[at_].space_before != next.space_before) return false;
    tight_x_ = tight_x_ || !next.space_before;
    return ++at_, true;
  }

  char multiplicative() {
    if (is("/")) {
      n_slashes_ += 1;
      n_tight_slashes_ += tokens_[at_].space_before ? 0 : 1;
      return ++at_, '/';
    }
    if (accept("*") || accept_x()) return plus_or_times_ = true, '*';
    if (accept_any({{"times"}, {"multiplied", "by"}})) return worded('*');
    if (accept_any({{"mod"}, {"modulo"}})) return worded('%');
    return accept_all({"divided", "by"}) || (asked_ && accept("over")) ? worded('/') : '\0';
  }

  std::optional<Rational> sum(int depth) {
    auto left = product(depth);
    while (left) {
      const bool less = asked_ && accept_all({"less", "than"});
      if (less || (asked_ && accept_all({"more", "than"}))) {  // 5 less than 8
        const auto right = product(depth);
        word_operator_ = true;
        left = !right ? right : less ? apply(*right, '-', *left) : apply(*right, '+', *left);
        continue;
      }
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
      left = op == '%' ? modulo(*left, *right) : apply(*left, op, *right);
    }
    return left;
  }

  std::optional<Rational> unary(int depth) {
    if (depth > kMaxDepth) return std::nullopt;
    // 5--3 may be a dash, 5+-3 an error margin.
    const bool after_sign = at_ > 0 && (tokens_[at_ - 1].text == "-" || tokens_[at_ - 1].text == "+");
    const bool tight = has() && !tokens_[at_].space_before;
    if (is("-") && after_sign && tight) return std::nullopt;
    if (!accept("-") && !accept("negative") && !accept("minus")) return power(depth);
    const bool parenthesised = is("(");
    const unsigned levels = levels_;
    levels_ = 0;
    const auto value = unary(depth + 1);
    // -3^2 is 9 to some.
    unclear_ = unclear_ || (!parenthesised && (levels_ & kPower) != 0);
    levels_ |= levels;
    return value ? Rational::whole(0).minus(*value) : std::nullopt;
  }

  std::optional<Rational> power(int depth) {
    auto base = primary(depth);
    if (!base) return base;
    if (accept("squared")) return word_operator_ = true, apply(*base, '^', Rational::whole(2));
    if (accept("cubed")) return word_operator_ = true, apply(*base, '^', Rational::whole(3));
    const bool sign = accept("^");
    if (!sign && !accept_any({{"to", "the", "power", "of"}, {"raised", "to", "the", "power", "of"}})) return base;
    word_operator_ = word_operator_ || !sign;
    const auto exponent = is("-") ? std::nullopt : primary(depth + 1);
    unclear_ = unclear_ || is("^");  // 2^3^2
    return exponent ? apply(*base, '^', *exponent) : std::nullopt;
  }

  // Functions of one number, in words.
  std::optional<Rational> function(int depth) {
    const size_t start = at_;
    accept("the");
    const auto rooted = [&](int degree, bool worded_root) -> std::optional<Rational> {
      const auto of = primary(depth + 1);
      const auto root = of ? of->root(degree) : std::nullopt;
      if (!root) return unclear_ = true, std::nullopt;
      word_operator_ = word_operator_ || worded_root;
      done((degree == 2 ? "square root of " : "cube root of ") + of->text() + " = " + root->text(), kPower);
      return root;
    };
    if (accept_any({{"square", "root", "of"}, {"square", "root", "from"}, {"sqrt", "of"}})) return rooted(2, true);
    // Without parentheses nobody knows where the root ends.
    if (accept("sqrt")) return rooted(2, !is("("));
    if (accept_all({"cube", "root", "of"})) return rooted(3, true);
    const auto raised = [&](int exponent) -> std::optional<Rational> {
      const auto of = primary(depth + 1);
      word_operator_ = true;
      return of ? apply(*of, '^', Rational::whole(exponent)) : std::nullopt;
    };
    if (accept_all({"square", "of"})) return raised(2);
    if (accept_all({"cube", "of"})) return raised(3);
    const int factor = accept("twice") || accept("double") ? 2 : accept("triple") ? 3 : 0;
    if (factor > 0) {
      accept("of");
      const auto of = primary(depth + 1);
      word_operator_ = true;
      return of ? apply(Rational::whole(factor), '*', *of) : std::nullopt;
    }
    at_ = start;
    return std::nullopt;
  }

  std::optional<Rational> primary(int depth) {
    if (depth > kMaxDepth) return std::nullopt;
    if (accept("(")) {
      const unsigned levels = levels_;  // parentheses say which comes first
      const auto inner = sum(depth + 1);
      levels_ = levels;
      return inner && accept(")") ? inner : std::nullopt;
    }
    if (auto value = function(depth)) return value;
    const auto taken = take_number(std::span(tokens_).subspan(std::min(at_, tokens_.size())));
    if (!taken || !taken->number.certain) return std::nullopt;
    const bool in_words = tokens_[at_].kind == NumberToken::kWord;
    at_ += taken->tokens;
    const Rational value = taken->number.value;
    question_.operands.push_back(value);
    if (accept_any({{"%", "of"}, {"percent", "of"}, {"per", "cent", "of"}})) return share_of(value, 100, depth);
    // Half of 80.
    if (!value.is_whole() && in_words && accept("of")) return share_of(value, 1, depth);
    if (is("!")) unclear_ = true;
    return value;
  }

  std::optional<Rational> share_of(const Rational& value, int parts, int depth) {
    const auto part = value.over(Rational::whole(parts));
    const auto whole = unary(depth + 1);
    word_operator_ = true;
    return whole && part ? apply(*part, '*', *whole) : std::nullopt;
  }

  // What may stand behind the expression: nothing else may.
  bool ending() {
    equals_ = accept_any({{"="},
                          {"is", "equal", "to"},
                          {"equals"},
                          {"equal", "to"},
                          {"equal"},
                          {"make"},
                          {"makes"},
                          {"come", "to"},
                          {"comes", "to"},
                          {"give"},
                          {"gives"}});
    if (equals_ || accept("is") || accept("be")) accept("what");
    // Behind a number it may be a factorial.
    if (!equals_ && is("!")) return false;
    while (accept("?") || accept(".") || accept("!")) {
    }
    return !has();
  }

  // A formula may be a score, a date, a range, a name (24/7): then it takes a word or sign that asks for its value.
  bool is_meant() const {
    const std::vector<Rational>& o = question_.operands;
    const bool pair_only = o.size() == 2 && n_operations_ == 1;
    const bool date = o.size() == 3 && n_tight_minus_ == 2 && less(o[1], Rational::whole(13)).value_or(true) &&
                      less(o[2], Rational::whole(32)).value_or(true);
    if (equals_ || computes_) return true;
    if (date) return false;
    if (tight_x_ && pair_only) return false;                       // 1920x1080
    const bool chain = n_minus_ > 1 && n_minus_ == n_operations_;  // 10 - 9 - 8 counts down, 555-12-34 is a telephone's
    if (chain && (!asked_ || n_tight_minus_ > 0)) return false;
    if (n_tight_minus_ == 1 && pair_only && (!asked_ || less(o[0], o[1]).value_or(true))) return false;
    if (n_minus_ > 0 && pair_only && !asked_ && (uneven_minus_ || less(o[0], o[1]).value_or(true))) return false;
    if (n_tight_slashes_ > 1 && n_tight_slashes_ == n_operations_) return false;
    if (n_tight_slashes_ == 1 && pair_only) {
      const auto quotient = o[0].over(o[1]);
      const bool larger_than_days = less(Rational::whole(31), o[0]).value_or(false);
      if (!quotient || !quotient->is_whole() || *quotient == Rational::whole(1) || !larger_than_days) return false;
    }
    return asked_ || plus_or_times_ || word_operator_ || n_slashes_ == 0;
  }

  std::vector<NumberToken> tokens_;
  size_t at_ = 0;
  int n_operations_ = 0;
  int n_minus_ = 0;
  int n_tight_minus_ = 0;
  int n_slashes_ = 0;
  int n_tight_slashes_ = 0;
  unsigned levels_ = 0;  // of precedence that were used
  bool asked_ = false;
  bool computes_ = false;
  bool equals_ = false;
  bool unclear_ = false;
  bool uneven_minus_ = false;
  bool tight_x_ = false;
  bool word_operator_ = false;
  bool plus_or_times_ = false;
  bool divided_ = false;
  bool multiplied_ = false;
  ArithmeticQuestion question_;
};

}  // namespace

std::optional<ArithmeticQuestion> parse_arithmetic(std::string_view question) {
  constexpr size_t kLongest = 4096;
  if (question.size() > kLongest) return std::nullopt;
  const Courtesy courtesy = without_courtesy(question);
  std::vector<NumberToken> tokens = number_tokens(courtesy.core);
  // Who writes 1.25 means a decimal point by 1.125 too.
  const bool points = std::any_of(tokens.begin(), tokens.end(), [](const NumberToken& t) {
    return t.number && t.number->certain && t.number->decimals > 0;
  });
  for (NumberToken& t : tokens) {
    if (points && t.number && t.number->other) t.number->certain = true;
  }
  return Parser(std::move(tokens), courtesy.asks).question();
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

}  // namespace kedge::router
