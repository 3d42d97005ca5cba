// Whether an answer gives a number, however it is spelt.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/rational.h"

namespace kedge::router {

struct ExpectedNumber {
  Rational value = Rational::whole(0);
  std::vector<Rational> operands = {};        // that an answer may name: "6 and 5 make 11"
  std::vector<std::string> units = {};        // words that may stand behind it, folded: "g", "grams"
  std::vector<std::string> other_units = {};  // that may stand behind operands: "2.5 kg are 2500 g"
};

// True: the answer is that number ("-3", "minus three", "3.0", "The answer is 1,000", "6 + 5 = 11"). False: another
// one, several, none, or a word that takes it back. Nothing: it may be that number, but it says more than is understood
// here. A number whose decimals never end may be rounded.
std::optional<bool> says_number(std::string_view answer, const ExpectedNumber& expected);

}  // namespace kedge::router
