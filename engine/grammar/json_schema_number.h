// Numbers that a schema accepts: a conjunction of bounds, divisors and kind, and its texts as an exact digit automaton.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/grammar/json_decimal.h"
#include "engine/grammar/json_text.h"
#include "kernels/base/result.h"

namespace kedge::engine::grammar {

struct NumberCase {
  struct Bound {
    Decimal value;
    bool open = false;  // the value itself is outside
  };
  struct Divisor {  // digits / 10^decimals
    uint64_t digits = 1;
    size_t decimals = 0;
    bool must = true;  // false: no multiples of it
    bool operator==(const Divisor&) const = default;
  };
  enum class Kind { kAny, kWhole, kFraction };  // kFraction: none that is whole

  std::optional<Bound> low = {}, high = {};
  Kind kind = Kind::kAny;
  std::vector<Divisor> divisors = {};

  static NumberCase only(const Decimal& value) { return {Bound{value}, Bound{value}, Kind::kAny, {}}; }
  bool is_any() const { return !low && !high && divisors.empty() && kind == Kind::kAny; }
  bool is_one() const { return low && high && low->value == high->value; }
};

// Nothing: no number is in both.
std::optional<NumberCase> both_of(const NumberCase& a, const NumberCase& b);

// Texts without an exponent, unless any number may come. Errors: kCapacity (digits or states that are too many).
Result<Grammar::NodeId> number_text(const NumberCase& numbers, JsonText& text);

}  // namespace kedge::engine::grammar
