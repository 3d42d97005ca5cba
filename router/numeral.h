// Texts with numbers in them, as tokens, and the numbers people write: 1,234.50, ½, 1e3, "twenty-five", "two dozen".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/rational.h"

namespace kedge::router {

// What digits mean. Not everything is certain: 1.000 is one in some countries and a thousand in others.
struct Numeral {
  Rational value = Rational::whole(0);
  size_t decimals = 0;
  bool certain = true;
  std::optional<Rational> other = {};  // the other meaning, where there is one
};

struct NumberToken {
  enum Kind { kDigits, kSign, kWord, kOther } kind = kOther;  // kOther: a character with no place in a sum
  std::string text;                    // folded; "**" is "^", the signs of print are those of a keyboard
  std::string raw;                     // with its capitals
  std::optional<Numeral> number = {};  // of kDigits; nothing: nobody knows (1.2.3, 0123, 3rd)
  bool space_before = false;
};

std::vector<NumberToken> number_tokens(std::string_view text);

// Digits with separators, without a sign.
std::optional<Numeral> read_digits(std::string_view digits);

struct TakenNumber {
  Numeral number;
  size_t tokens = 0;     // it took
  bool has_and = false;  // "a hundred and five" may be two numbers where numbers are listed
};
// The number that begins at the first token, without a sign: digits or words, with "thousand", "dozen" and the like
// behind it. Nothing when none does.
std::optional<TakenNumber> take_number(std::span<const NumberToken> tokens);

}  // namespace kedge::router
