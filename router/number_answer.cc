#include "router/number_answer.h"

#include <algorithm>
#include <array>

#include "router/numeral.h"

namespace kedge::router {

namespace {

// Words around a number that leave it as it is.
constexpr auto kHarmless = std::to_array<std::string_view>(
    {"the",        "answer",  "answers",    "is",          "it",        "it's",  "its",         "that",    "that's",
     "this",       "result",  "sum",        "product",     "total",     "of",    "and",         "to",      "quotient",
     "difference", "value",   "number",     "so",          "therefore", "thus",  "hence",       "you",     "get",
     "we",         "have",    "from",       "by",          "plus",      "minus", "times",       "divided", "multiplied",
     "added",      "adding",  "subtracted", "subtracting", "together",  "make",  "makes",       "equals",  "equal",
     "gives",      "give",    "be",         "are",         "a",         "an",    "there",       "root",    "square",
     "cube",       "squared", "cubed",      "percent",     "would",     "will",  "calculation", "correct", "exactly",
     "remainder",  "in",      "power"});
constexpr auto kTakesBack =
    std::to_array<std::string_view>({"not", "no", "never", "isn't", "aren't", "wrong", "incorrect", "except", "or",
                                     "than", "between", "don't", "doesn't", "nor", "neither", "without", "false"});
constexpr auto kEquals =
    std::to_array<std::string_view>({"=", "is", "equals", "equal", "make", "makes", "gives", "give", "be", "are",
                                     "it's", "that's", "leaves", "get", "becomes", ":"});
constexpr auto kRounds = std::to_array<std::string_view>({"about", "approximately", "roughly"});

template <size_t N>
bool one_of(std::string_view w, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), w) != list.end();
}

struct Said {
  Numeral number;
  bool sure = true;  // what stands before it is no sign, or certainly one
};

struct Part {  // between two signs or words of equality
  std::vector<Said> numbers;
  bool operation = false;   // a sign or word of one
  bool other_unit = false;  // it is no answer
  bool broken = false;      // digits that are no number, or letters grown together with them
};

struct Reader {
  std::vector<Part> parts = std::vector<Part>(1);
  bool takes_back = false;
  bool unknown = false;
  bool rounds = false;
};

std::optional<Rational> negative(const std::optional<Rational>& v) {
  return v ? Rational::whole(0).minus(*v) : std::nullopt;
}

class Reading {
 public:
  Reading(std::string_view answer, const ExpectedNumber& expected)
      : tokens_(number_tokens(answer)), expected_(expected) {}

  Reader run() {
    while (at_ < tokens_.size()) {
      if (!number()) other();
    }
    return std::move(reader_);
  }

 private:
  const NumberToken& token(size_t ahead = 0) const { return tokens_[at_ + ahead]; }
  Part& part() { return reader_.parts.back(); }

  // 1 200 and 12 345 678: groups of three behind one to three digits.
  void join_groups(Numeral& n) {
    const std::string& first = token().text;
    if (first.size() > 3 || first[0] == '0' || !n.value.is_whole()) return;
    std::string digits = first;
    size_t ahead = 1;
    while (at_ + ahead < tokens_.size() && token(ahead).kind == NumberToken::kDigits && token(ahead).space_before &&
           token(ahead).text.size() == 3 && token(ahead).text.find_first_of(".,") == std::string::npos) {
      digits += token(ahead).text;
      ++ahead;
    }
    if (ahead == 1) return;
    if (const auto joined = read_digits(digits)) {
      n = *joined;
      at_ += ahead - 1;
    }
  }

  bool number() {
    const bool digits = token().kind == NumberToken::kDigits;
    if (digits && !token().number) {
      part().broken = true;
      return ++at_, true;
    }
    auto taken = take_number(std::span(tokens_).subspan(at_));
    if (!taken) return false;
    Said said{.number = taken->number};
    const size_t begin = at_;
    if (digits && taken->tokens == 1) join_groups(said.number);
    sign(said, begin);
    if (begin > 0 && !tokens_[begin].space_before && tokens_[begin - 1].kind == NumberToken::kWord)
      part().broken = true;
    at_ += taken->tokens;
    fraction(said);
    grown_together(digits);
    part().numbers.push_back(std::move(said));
    return true;
  }

  // What stands in front of the number at `begin` may be its sign.
  void sign(Said& said, size_t begin) {
    if (begin == 0) return;
    const NumberToken& s = tokens_[begin - 1];
    const bool word = s.text == "minus" || s.text == "negative";
    if (!word && s.text != "-") return;
    const bool operand_before = begin >= 2 && (tokens_[begin - 2].kind == NumberToken::kDigits ||
                                               last_was_number_ == begin - 1 || tokens_[begin - 2].text == ")");
    if (operand_before) return;
    const bool tight = !tokens_[begin].space_before;
    const bool bullet = s.text == "-" && !tight;  // "- 3" may be a list of one
    const bool hyphen = s.text == "-" && begin >= 2 && !s.space_before && tokens_[begin - 2].kind == NumberToken::kWord;
    const auto minus = negative(said.number.value);
    if (!minus) return;
    if (bullet || hyphen) {
      said.sure = false;
      said.number.other = *minus;
      return;
    }
    said.number.value = *minus;
    said.number.other = negative(said.number.other);
  }

  // 10/3, 3 1/3, three and a half.
  void fraction(Said& said) {
    if (at_ + 1 < tokens_.size() && token().text == "/" && token(1).number && token(1).number->value.is_whole() &&
        !token().space_before && !token(1).space_before) {
      if (const auto quotient = said.number.value.over(token(1).number->value)) {
        said.number = {.value = *quotient};
        at_ += 2;
      } else {
        part().broken = true;
      }
    } else if (at_ + 2 < tokens_.size() && said.number.value.is_whole() && token().number && token(1).text == "/" &&
               token(2).number && !token(1).space_before && !token(2).space_before) {
      const auto rest = token().number->value.over(token(2).number->value);
      const bool below = said.number.value.numerator() < 0;
      const auto sum = !rest ? rest : below ? said.number.value.minus(*rest) : said.number.value.plus(*rest);
      if (sum && less(*rest, Rational::whole(1)).value_or(false)) {
        said.number = {.value = *sum};
        at_ += 3;
      }
    } else if (at_ + 2 < tokens_.size() && token().text == "and" && token(1).text == "a" && token(2).text == "half") {
      if (const auto sum = said.number.value.plus(*Rational::make(1, 2))) said.number = {.value = *sum};
      at_ += 3;
    } else if (at_ + 1 < tokens_.size() && said.number.value == Rational::whole(10) && token().text == "^" &&
               token(1).number) {
      if (const auto power = Rational::whole(10).power(token(1).number->value)) said.number = {.value = *power};
      at_ += 2;
    }
    last_was_number_ = at_;
  }

  static bool is_in(const std::vector<std::string>& list, const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  }
  bool is_unit(const std::string& text) const { return is_in(expected_.units, text); }

  // 11k and 11th are other numbers than 11.
  void grown_together(bool digits) {
    if (!digits || at_ >= tokens_.size() || token().space_before) return;
    if (token().kind == NumberToken::kDigits) part().broken = true;
    const bool unit = is_unit(token().text) || is_in(expected_.other_units, token().text);
    if (token().kind == NumberToken::kWord && !unit) part().broken = true;
  }

  void other() {
    const NumberToken& t = token();
    ++at_;
    const bool inside = at_ >= 2 && at_ < tokens_.size() && !t.space_before && !token().space_before;
    if (t.text == ":" && inside && token().kind == NumberToken::kDigits) part().broken = true;  // 11:30
    if (one_of(t.text, kEquals)) {
      if (!part().numbers.empty() || part().operation) reader_.parts.emplace_back();
      return;
    }
    if (is_unit(t.text)) return;
    if (is_in(expected_.other_units, t.text)) {
      part().other_unit = true;
      return;
    }
    // Another unit behind the number is another number.
    const bool behind = last_was_number_ == at_ - 1 && t.kind == NumberToken::kWord;
    if (behind && !expected_.units.empty() && !one_of(t.text, kHarmless)) part().broken = true;
    if (t.text == "%" || t.text == "percent") {
      part().broken = true;
      return;
    }
    constexpr auto kOperations =
        std::to_array<std::string_view>({"plus", "minus", "times", "sum", "product", "difference", "quotient", "and"});
    if (t.kind == NumberToken::kSign) {
      if (std::string_view("+-*/^").find(t.text) != std::string_view::npos) part().operation = true;
      reader_.unknown = reader_.unknown || t.text == "!" || t.text == "?";
      return;
    }
    part().operation = part().operation || one_of(t.text, kOperations);
    reader_.takes_back = reader_.takes_back || one_of(t.text, kTakesBack);
    reader_.rounds = reader_.rounds || one_of(t.text, kRounds);
    reader_.unknown =
        reader_.unknown || !(one_of(t.text, kHarmless) || one_of(t.text, kRounds) || t.text == "negative");
  }

  std::vector<NumberToken> tokens_;
  const ExpectedNumber& expected_;
  size_t at_ = 0;
  size_t last_was_number_ = std::string::npos;  // where the token behind it is
  Reader reader_;
};

bool rounds_to(const Numeral& written, const Rational& value) {
  if (value.decimals_end() || written.decimals == 0 || written.decimals > 30) return false;
  auto unit = Rational::make(1, 2);
  for (size_t i = 0; i < written.decimals && unit; ++i) unit = unit->over(Rational::whole(10));
  const auto difference = written.value.minus(value);
  if (!unit || !difference) return false;
  const auto above = unit->minus(*difference);
  const auto below = unit->plus(*difference);
  return above && below && above->numerator() >= 0 && below->numerator() >= 0;
}

// True: the number. False: another. Nothing: either.
std::optional<bool> same(const Said& said, const Rational& value) {
  const bool equal = said.number.value == value || rounds_to(said.number, value);
  if (said.sure && said.number.certain) return equal;
  // 3.125 where a fraction was asked for is no 3,125.
  if (said.sure && equal && said.number.other && !value.is_whole()) return true;
  if (equal || (said.number.other && *said.number.other == value)) return std::nullopt;
  return false;
}

// All numbers of the part are the one.
std::optional<bool> gives(const Part& part, const Rational& value) {
  if (part.broken || part.other_unit || part.numbers.empty()) return false;
  std::optional<bool> verdict = true;
  for (const Said& said : part.numbers) {
    const auto one = same(said, value);
    if (one == false) return false;
    if (!one) verdict = std::nullopt;
  }
  return verdict;
}

bool only_operands(const Part& part, const ExpectedNumber& expected) {
  return !part.broken && std::all_of(part.numbers.begin(), part.numbers.end(), [&](const Said& said) {
    return said.number.value == expected.value ||
           std::find(expected.operands.begin(), expected.operands.end(), said.number.value) != expected.operands.end();
  });
}

}  // namespace

std::optional<bool> says_number(std::string_view answer, const ExpectedNumber& expected) {
  constexpr size_t kLongest = 4096;
  if (answer.size() > kLongest) return false;
  Reader read = Reading(answer, expected).run();
  std::erase_if(read.parts, [](const Part& p) { return p.numbers.empty() && !p.broken; });
  if (read.parts.empty() || read.takes_back) return false;
  // "6 + 5 = 11", and "11 is the sum of 6 and 5".
  auto verdict = gives(read.parts.back(), expected.value);
  auto others = std::span(read.parts).first(read.parts.size() - 1);
  if (verdict == false && read.parts.size() == 2 && read.parts.back().operation && !read.parts.front().operation) {
    verdict = gives(read.parts.front(), expected.value);
    others = std::span(read.parts).last(1);
  }
  if (verdict == false) return false;
  const bool understood =
      !read.unknown && (!read.rounds || !expected.value.decimals_end()) &&
      std::all_of(others.begin(), others.end(), [&](const Part& p) { return only_operands(p, expected); });
  return understood ? verdict : std::nullopt;
}

}  // namespace kedge::router
