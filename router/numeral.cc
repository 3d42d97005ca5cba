#include "router/numeral.h"

#include <algorithm>
#include <array>

#include "kernels/base/utf8.h"
#include "router/text_norm.h"

namespace kedge::router {

namespace {

constexpr size_t npos = std::string_view::npos;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct Spelling {
  std::string_view from;
  std::string_view to;
};
constexpr auto kSigns = std::to_array<Spelling>({{"\u2212", "-"},
                                                 {"\u2013", "-"},
                                                 {"\u2010", "-"},
                                                 {"\u2011", "-"},
                                                 {"\ufe63", "-"},
                                                 {"\uff0d", "-"},
                                                 {"\u00d7", "*"},
                                                 {"\u2217", "*"},
                                                 {"\u00f7", "/"},
                                                 {"\u2215", "/"},
                                                 {"\u2044", "/"},
                                                 {"\uff0b", "+"}});

struct Vulgar {
  std::string_view sign;
  int numerator;
  int denominator;
};
constexpr auto kVulgar = std::to_array<Vulgar>({{"\u00bd", 1, 2},
                                                {"\u00bc", 1, 4},
                                                {"\u00be", 3, 4},
                                                {"\u2153", 1, 3},
                                                {"\u2154", 2, 3},
                                                {"\u215b", 1, 8},
                                                {"\u2155", 1, 5},
                                                {"\u215c", 3, 8}});

std::optional<Rational> plain(std::string_view digits, std::string_view decimals) {
  std::optional<Rational> value = Rational::whole(0);
  const Rational ten = Rational::whole(10);
  std::optional<Rational> unit = Rational::whole(1);
  for (const char c : std::string(digits) + std::string(decimals)) {
    if (!is_digit(c)) return std::nullopt;
    if (value) value = value->times(ten);
    if (value) value = value->plus(Rational::whole(c - '0'));
  }
  for (size_t i = 0; i < decimals.size() && unit; ++i) unit = unit->times(ten);
  return value && unit ? value->over(*unit) : std::nullopt;
}

// 1,234,567 without its separators; nothing when the groups are not of three.
std::optional<std::string> ungrouped(std::string_view digits, char separator) {
  const size_t first = digits.find(separator);
  if (first == npos || first == 0 || first > 3 || digits[0] == '0' || (digits.size() - first) % 4 != 0) {
    return std::nullopt;
  }
  std::string plain_digits;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool at_group = i >= first && (i - first) % 4 == 0;
    if (at_group != (digits[i] == separator)) return std::nullopt;
    if (!at_group) plain_digits += digits[i];
  }
  return plain_digits;
}

// Behind digits at `at`: e+12. Moves `at`.
int take_exponent(std::string_view text, size_t& at) {
  size_t end = at + 1;
  bool negative = false;
  if (end < text.size() && (text[end] == '-' || text[end] == '+')) negative = text[end++] == '-';
  int exponent = 0;
  const size_t first = end;
  while (end < text.size() && is_digit(text[end]) && end - first < 3) exponent = 10 * exponent + (text[end++] - '0');
  if (end == first || (end < text.size() && (is_digit(text[end]) || is_letter(text[end])))) return 0;
  at = end;
  return negative ? -exponent : exponent;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<NumberToken> run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ' ') {
        space_ = true;
        ++at_;
        continue;
      }
      const size_t begin = at_;
      NumberToken token{.text = {}, .raw = {}, .space_before = space_ || tokens_.empty()};
      space_ = false;
      if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
        digits(token);
      } else if (is_letter(c)) {
        while (at_ < text_.size() && (is_letter(text_[at_]) || text_[at_] == '\'')) ++at_;
        token.kind = NumberToken::kWord;
      } else if (!sign_of_print(token)) {
        sign(token);
      }
      token.raw = std::string(text_.substr(begin, at_ - begin));
      if (token.text.empty()) token.text = folded(token.raw);
      if (token.text == "**") token.text = "^";
      tokens_.push_back(std::move(token));
    }
    return std::move(tokens_);
  }

 private:
  void digits(NumberToken& token) {
    token.kind = NumberToken::kDigits;
    const size_t begin = at_;
    const auto goes_on = [&](size_t i) {
      if (is_digit(text_[i])) return true;
      return (text_[i] == '.' || text_[i] == ',') && i + 1 < text_.size() && is_digit(text_[i + 1]);
    };
    ++at_;
    while (at_ < text_.size() && goes_on(at_)) ++at_;
    token.number = read_digits(text_.substr(begin, at_ - begin));
    const bool zero_first = text_[begin] == '0' && at_ > begin + 1 && is_digit(text_[begin + 1]);
    if (zero_first) token.number.reset();  // of dates, telephones and codes
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E') && token.number) {
      const int exponent = take_exponent(text_, at_);
      const auto scale = Rational::whole(10).power(Rational::whole(exponent < 0 ? -exponent : exponent));
      auto& value = token.number->value;
      const auto scaled = !scale ? std::nullopt : exponent < 0 ? value.over(*scale) : value.times(*scale);
      if (!scaled) return token.number.reset();
      value = *scaled;
    }
    // 0x10 is sixteen to some.
    const bool radix = at_ - begin == 1 && text_[begin] == '0' && at_ < text_.size() && is_letter(text_[at_]);
    if (radix) token.number.reset();
    for (const Vulgar& v : kVulgar) {  // 3½
      if (!text_.substr(at_).starts_with(v.sign) || !token.number || !token.number->value.is_whole()) continue;
      at_ += v.sign.size();
      const auto sum = token.number->value.plus(*Rational::make(v.numerator, v.denominator));
      if (sum) token.number->value = *sum;
    }
  }

  bool sign_of_print(NumberToken& token) {
    const std::string_view rest = text_.substr(at_);
    for (const Vulgar& v : kVulgar) {
      if (!rest.starts_with(v.sign)) continue;
      token.kind = NumberToken::kDigits;
      token.number = Numeral{.value = *Rational::make(v.numerator, v.denominator)};
      return at_ += v.sign.size(), true;
    }
    for (const Spelling& s : kSigns) {
      if (!rest.starts_with(s.from)) continue;
      token.kind = NumberToken::kSign;
      token.text = s.to;
      return at_ += s.from.size(), true;
    }
    constexpr auto kPowers = std::to_array<Spelling>({{"\u00b2", "squared"}, {"\u00b3", "cubed"}, {"\u221a", "sqrt"}});
    for (const Spelling& s : kPowers) {
      if (!rest.starts_with(s.from)) continue;
      token.kind = NumberToken::kWord;
      token.text = s.to;
      return at_ += s.from.size(), true;
    }
    return false;
  }

  void sign(NumberToken& token) {
    const bool known = std::string_view("+-*/^()=?.,:!%").find(text_[at_]) != npos;
    token.kind = known ? NumberToken::kSign : NumberToken::kOther;
    if (text_.substr(at_, 2) == "**") {
      at_ += 2;
    } else {
      at_ += known ? 1 : std::max<size_t>(1, utf8_char_length(text_, at_));
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  bool space_ = true;
  std::vector<NumberToken> tokens_;
};

struct Named {
  std::string_view name;
  int value;
};
constexpr std::array<Named, 20> kUnits = {{{"zero", 0},     {"one", 1},        {"two", 2},       {"three", 3},
                                           {"four", 4},     {"five", 5},       {"six", 6},       {"seven", 7},
                                           {"eight", 8},    {"nine", 9},       {"ten", 10},      {"eleven", 11},
                                           {"twelve", 12},  {"thirteen", 13},  {"fourteen", 14}, {"fifteen", 15},
                                           {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19}}};
constexpr auto kTens = std::to_array<Named>({{"twenty", 20},
                                             {"thirty", 30},
                                             {"forty", 40},
                                             {"fourty", 40},
                                             {"fifty", 50},
                                             {"sixty", 60},
                                             {"seventy", 70},
                                             {"eighty", 80},
                                             {"ninety", 90}});
constexpr std::array<Named, 5> kScales = {
    {{"hundred", 100}, {"thousand", 1000}, {"million", 1000000}, {"billion", 1000000000}, {"dozen", 12}}};
constexpr auto kParts = std::to_array<Named>({{"half", 2},
                                              {"halves", 2},
                                              {"third", 3},
                                              {"thirds", 3},
                                              {"quarter", 4},
                                              {"quarters", 4},
                                              {"fifth", 5},
                                              {"fifths", 5},
                                              {"tenth", 10}});

template <size_t N>
int named(const std::array<Named, N>& list, std::string_view name) {
  for (const Named& n : list) {
    if (n.name == name) return n.value;
  }
  return -1;
}

// Number words from the left to the right.
class Words {
 public:
  explicit Words(std::span<const NumberToken> tokens) : tokens_(tokens) {}

  std::optional<TakenNumber> take() {
    if (word(0) == "a" || word(0) == "an") {
      // "a dozen", "a hundred", "a half": the article is a one.
      if (scale(1) < 0 && named(kParts, word(1)) < 0) return std::nullopt;
      current_ = 1;
      at_ = 1;
      any_ = true;
    }
    while (step()) {
    }
    if (!any_ && named(kParts, word(at_)) == 2) {  // "half a dozen", "half of"
      const bool dozen = (word(1) == "a" && word(2) == "dozen") || word(1) == "dozen";
      if (dozen) return taken(Rational::whole(6), word(1) == "a" ? 3 : 2);
      return taken(*Rational::make(1, 2), 1);
    }
    if (!any_) return std::nullopt;
    const int64_t value = total_ + current_;
    if (const int part = named(kParts, word(at_)); part > 0 && value > 0) {  // "three quarters"
      if (tokens_[at_].text.ends_with('s') == (value == 1)) return std::nullopt;
      return taken(*Rational::make(value, part), at_ + 1);
    }
    return taken(Rational::whole(value), at_);
  }

 private:
  std::string_view word(size_t i) const {
    return i < tokens_.size() && tokens_[i].kind == NumberToken::kWord ? std::string_view(tokens_[i].text)
                                                                       : std::string_view{};
  }
  int scale(size_t i) const { return named(kScales, word(i)); }
  TakenNumber taken(Rational value, size_t n) const { return {{.value = value}, n, has_and_}; }

  bool step() {
    if (const int unit = named(kUnits, word(at_)); unit >= 0) {
      if (unit_done_ || current_ % (unit < 10 ? 10 : 100) != 0) return false;
      if (unit == 0 && any_) return false;
      current_ += unit;
      return unit_done_ = any_ = true, ++at_, true;
    }
    if (const int tens = named(kTens, word(at_)); tens > 0) {
      if (current_ % 100 != 0 || unit_done_) return false;
      current_ += tens;
      any_ = true;
      ++at_;
      const bool hyphen = at_ + 1 < tokens_.size() && tokens_[at_].text == "-" && !tokens_[at_].space_before &&
                          !tokens_[at_ + 1].space_before;
      const int unit = hyphen ? named(kUnits, word(at_ + 1)) : -1;
      if (unit > 0 && unit < 10) at_ += 1;
      return true;
    }
    if (const int by = scale(at_); by > 0 && any_ && current_ > 0) {
      if (by == 100 ? current_ >= 100 : by >= smallest_) return false;
      if (by == 12) {
        current_ *= 12;
        smallest_ = 1;
      } else if (by == 100) {
        current_ *= 100;
      } else {
        total_ += current_ * by;
        current_ = 0;
        smallest_ = by;
      }
      unit_done_ = by == 12;
      scaled_ = true;
      return ++at_, true;
    }
    const bool small_next = (named(kUnits, word(at_ + 1)) > 0 || named(kTens, word(at_ + 1)) > 0);
    if (word(at_) == "and" && scaled_ && small_next && current_ % 100 == 0 && !unit_done_) {
      has_and_ = true;
      return ++at_, true;
    }
    return false;
  }

  std::span<const NumberToken> tokens_;
  size_t at_ = 0;
  int64_t total_ = 0;
  int64_t current_ = 0;
  int64_t smallest_ = 1'000'000'000'000;
  bool any_ = false;
  bool unit_done_ = false;
  bool scaled_ = false;
  bool has_and_ = false;
};

}  // namespace

std::vector<NumberToken> number_tokens(std::string_view text) {
  std::string keyboard = normalized(text, Typography::kKept);
  constexpr std::string_view kApostrophe = "\u2019";
  for (size_t at = keyboard.find(kApostrophe); at != npos; at = keyboard.find(kApostrophe, at)) {
    keyboard.replace(at, kApostrophe.size(), "'");
  }
  return Lexer(keyboard).run();
}

std::optional<Numeral> read_digits(std::string_view digits) {
  const size_t dot = digits.find('.');
  const size_t comma = digits.find(',');
  const auto made = [](std::optional<Rational> value, size_t decimals, bool certain) -> std::optional<Numeral> {
    if (!value) return std::nullopt;
    return Numeral{.value = *value, .decimals = decimals, .certain = certain};
  };
  if (dot == npos && comma == npos) return made(plain(digits, {}), 0, true);
  const bool dots = digits.find('.', dot == npos ? npos : dot + 1) != npos;
  if (comma == npos) {
    if (dots) {  // 1.234.567, if it is no version
      const auto grouped = ungrouped(digits, '.');
      return grouped ? made(plain(*grouped, {}), 0, false) : std::nullopt;
    }
    auto n = made(plain(digits.substr(0, dot), digits.substr(dot + 1)), digits.size() - dot - 1, true);
    const auto grouped = ungrouped(digits, '.');
    if (n && grouped) {
      n->certain = false;
      n->other = plain(*grouped, {});
    }
    return n;
  }
  const std::string_view whole = digits.substr(0, dot);
  if (dot == npos || (comma < dot && !dots)) {
    const std::string_view decimals = dot == npos ? std::string_view{} : digits.substr(dot + 1);
    if (const auto grouped = ungrouped(whole, ',')) return made(plain(*grouped, decimals), decimals.size(), true);
  }
  const bool commas = digits.find(',', comma + 1) != npos;
  if (commas || (dot != npos && dot > comma)) return std::nullopt;
  const auto grouped = dot == npos ? std::string(digits.substr(0, comma)) : ungrouped(digits.substr(0, comma), '.');
  if (!grouped) return std::nullopt;
  return made(plain(*grouped, digits.substr(comma + 1)), digits.size() - comma - 1, false);  // 2,5
}

std::optional<TakenNumber> take_number(std::span<const NumberToken> tokens) {
  if (tokens.empty()) return std::nullopt;
  if (tokens[0].kind == NumberToken::kWord) return Words(tokens).take();
  if (tokens[0].kind != NumberToken::kDigits || !tokens[0].number) return std::nullopt;
  TakenNumber taken{.number = *tokens[0].number, .tokens = 1};
  const int scale = tokens.size() > 1 && tokens[1].space_before ? named(kScales, tokens[1].text) : -1;
  if (scale > 0) {
    const auto scaled = taken.number.value.times(Rational::whole(scale));
    if (!scaled) return std::nullopt;
    taken.number.value = *scaled;
    taken.tokens = 2;
  }
  return taken;
}

}  // namespace kedge::router
