// A number of a schema as its decimals: exact, of any size.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "kernels/base/json.h"

namespace kedge::engine::grammar {

struct Decimal {
  bool negative = false;
  std::string whole;     // digits before the point without leading zeros: none of 0.5
  std::string fraction;  // behind it, without trailing zeros

  // The shortest decimals that read back as the double. Precondition: a number.
  static Decimal of(const Json& number);
  bool is_zero() const { return whole.empty() && fraction.empty(); }
  bool is_whole() const { return fraction.empty(); }
  Decimal magnitude() const { return {false, whole, fraction}; }
  Decimal negated() const { return {!negative && !is_zero(), whole, fraction}; }
  // All digits, the point left out, as a number; nothing where 64 bits are not enough.
  std::optional<uint64_t> digits() const;
  bool is_multiple_of(uint64_t digits, size_t decimals) const;  // of digits / 10^decimals

  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b);
  friend bool operator==(const Decimal&, const Decimal&) = default;
};

}  // namespace kedge::engine::grammar
