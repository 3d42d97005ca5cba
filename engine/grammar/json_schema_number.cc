#include "engine/grammar/json_schema_number.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace kedge::engine::grammar {
namespace {

using NodeId = Grammar::NodeId;
using Bound = NumberCase::Bound;
using Kind = NumberCase::Kind;

constexpr size_t kMaxDigits = 64;      // of a bound, on either side of the point
constexpr size_t kMaxStates = 20'000;  // of one automaton
// Numbers with decimals have so many digits at most: as doubles, which is what most readers make of them, they are then
// on the same side of a bound, and whole or not, as they are written.
constexpr size_t kExactDigits = 15;

const std::optional<Bound>& higher(const std::optional<Bound>& a, const std::optional<Bound>& b) {
  if (!a || !b) return a ? a : b;
  const auto order = a->value <=> b->value;
  return order > 0 || (order == 0 && a->open) ? a : b;
}

const std::optional<Bound>& lower(const std::optional<Bound>& a, const std::optional<Bound>& b) {
  if (!a || !b) return a ? a : b;
  const auto order = a->value <=> b->value;
  return order < 0 || (order == 0 && a->open) ? a : b;
}

// One number, whose bounds are kept already.
bool has(const NumberCase& numbers, const Decimal& value) {
  if (numbers.kind != Kind::kAny && value.is_whole() != (numbers.kind == Kind::kWhole)) return false;
  return std::all_of(numbers.divisors.begin(), numbers.divisors.end(),
                     [&](const auto& d) { return value.is_multiple_of(d.digits, d.decimals) == d.must; });
}

// Texts of numbers that are not negative: digits are read from the left, what is known of them is the state.
class DigitAutomaton {
 public:
  DigitAutomaton(std::optional<Bound> low, std::optional<Bound> high, const NumberCase& numbers, Grammar& g)
      : low_(std::move(low)), high_(std::move(high)), numbers_(numbers), g_(g), digit_(g.chars({{'0', '9'}})) {}

  Result<NodeId> make() {
    if (low_) max_whole_ = std::max(max_whole_, low_->value.whole.size() + 1);
    if (high_) max_whole_ = std::min(max_whole_, std::max<size_t>(high_->value.whole.size(), 1));
    for (const auto& bound : {low_, high_}) {
      if (bound) least_room_ = std::max(least_room_, bound->value.fraction.size());
    }
    for (const auto& d : numbers_.divisors) {
      if (d.must) max_fraction_ = std::min(max_fraction_, d.decimals);
    }
    if (max_whole_ > kMaxDigits || least_room_ > kMaxDigits) {
      return Error{ErrorCode::kCapacity, "a number of more than " + std::to_string(kMaxDigits) + " digits"};
    }
    const std::vector<uint64_t> nothing_read(numbers_.divisors.size(), 0);
    std::vector<NodeId> lengths;
    for (size_t n = 1; n <= max_whole_; ++n) {
      const bool at_low = low_ && n <= std::max<size_t>(low_->value.whole.size(), 1);
      if (low_ && n < low_->value.whole.size()) continue;
      const bool at_high = high_ && n >= std::max<size_t>(high_->value.whole.size(), 1);
      add(lengths, first_digit(n, at_low, at_high, nothing_read));
    }
    if (states_.size() > kMaxStates) return Error{ErrorCode::kCapacity, "an automaton of too many states"};
    return g_.choice(lengths);
  }

 private:
  struct State {
    size_t left = 0;      // digits before the point that still come
    size_t room = 0;      // digits behind it at most
    size_t at = 0;        // digits read of the part we are in
    bool behind = false;  // the point
    bool at_low = false;  // all digits were those of the bound
    bool at_high = false;
    bool fraction = false;             // a digit behind the point was not 0
    std::vector<uint64_t> rests = {};  // of the division by each divisor
    auto operator<=>(const State&) const = default;
  };

  void add(std::vector<NodeId>& ways, NodeId node) {
    if (!is_nothing(node)) ways.push_back(node);
  }
  bool is_nothing(NodeId id) const { return g_.node(id).kind == Grammar::Kind::kChoice && g_.node(id).parts.empty(); }

  // A number of n digits before the point: no 0 leads, but the only one.
  NodeId first_digit(size_t n, bool at_low, bool at_high, const std::vector<uint64_t>& rests) {
    const size_t exact = n < kExactDigits ? kExactDigits - n : 0;
    State start{n, std::min(max_fraction_, std::max(exact, least_room_)), 0, false, at_low, at_high, false, rests};
    if (n > 1) return step(start, 1, 9);
    std::vector<NodeId> ways;
    State zero = after(start, 0);
    // A bound below 1 has no digit before the point, and 0 is the beginning of it; one above is passed or not reached.
    zero.at_low = at_low && low_->value.whole.empty();
    zero.at_high = at_high && high_->value.whole.empty();
    if (!at_low || low_->value.whole.empty()) {
      if (const NodeId next = node_of(zero); !is_nothing(next)) {
        ways.push_back(g_.sequence({g_.text("0"), next}));
      }
    }
    State other = start;
    other.at_low = at_low && !low_->value.whole.empty();
    if (!at_high || !high_->value.whole.empty()) add(ways, step(other, 1, 9));
    return g_.choice(ways);
  }

  // Any of the digits from `first` to `last` that the bounds let through, and what follows; digits that lead to the
  // same state are one.
  NodeId step(const State& from, unsigned first, unsigned last) {
    std::map<NodeId, std::vector<CharRange>> by_next;
    const unsigned low = from.at_low ? bound_digit(low_->value, from) : 0;
    const unsigned high = from.at_high ? bound_digit(high_->value, from) : 9;
    for (unsigned d = std::max(first, low); d <= std::min(last, high); ++d) {
      const NodeId next = node_of(after(from, d));
      if (!is_nothing(next)) by_next[next].push_back({'0' + d, '0' + d});
    }
    std::vector<NodeId> ways;
    for (auto& [next, ranges] : by_next) ways.push_back(g_.sequence({g_.chars(std::move(ranges)), next}));
    return ways.size() == 1 ? ways[0] : g_.choice(ways);
  }

  static unsigned bound_digit(const Decimal& bound, const State& s) {
    const std::string& digits = s.behind ? bound.fraction : bound.whole;
    return s.at < digits.size() ? static_cast<unsigned>(digits[s.at] - '0') : 0;
  }

  State after(const State& from, unsigned d) const {
    State to = from;
    to.at_low = from.at_low && d == bound_digit(low_->value, from);
    to.at_high = from.at_high && d == bound_digit(high_->value, from);
    ++to.at;
    if (!from.behind) --to.left;
    if (from.behind && d != 0) to.fraction = true;
    for (size_t i = 0; i < to.rests.size(); ++i) to.rests[i] = rest_after(numbers_.divisors[i], from, from.rests[i], d);
    if (!from.behind && to.left == 0) to.at = 0;
    return to;
  }

  // The rest by which a divisor tells states apart: digits still to come multiply it by powers of ten, so what is a
  // multiple of the divisor then is one now. A digit behind the divisor's last place that is not 0 makes it no multiple
  // for good.
  static uint64_t rest_after(const NumberCase::Divisor& divisor, const State& from, uint64_t rest, unsigned d) {
    if (from.behind && from.at >= divisor.decimals) return d == 0 ? rest : divisor.digits;
    if (rest == divisor.digits) return rest;
    const auto wide = (static_cast<unsigned __int128>(rest) * 10 + d) % divisor.digits;
    size_t tens = from.behind ? divisor.decimals - from.at - 1 : divisor.decimals + from.left - 1;
    uint64_t apart = divisor.digits;
    for (uint64_t common = 1; tens > 0; --tens, apart /= common) {
      common = std::gcd(apart, uint64_t{10});
      if (common == 1) break;
    }
    return static_cast<uint64_t>(wide % apart);
  }

  // Whether a text may end in the state.
  bool may_end(const State& s) const {
    if (s.left > 0 || (s.behind && s.at == 0)) return false;
    if (numbers_.kind == Kind::kFraction && !s.fraction) return false;
    if (s.at_low && (s.at < low_->value.fraction.size() || low_->open)) return false;
    if (s.at_high && s.at >= high_->value.fraction.size() && high_->open) return false;
    for (size_t i = 0; i < s.rests.size(); ++i) {
      const auto& d = numbers_.divisors[i];
      unsigned __int128 rest = s.rests[i];
      for (size_t k = s.at; k < d.decimals && rest != d.digits; ++k) rest = rest * 10 % d.digits;
      if ((rest == 0) != d.must) return false;
    }
    return true;
  }

  // What comes after the digits read.
  NodeId node_of(const State& s) {
    if (const auto known = states_.find(s); known != states_.end()) return known->second;
    if (states_.size() > kMaxStates) return g_.nothing();
    const NodeId made = make_state(s);
    return states_[s] = made;
  }

  NodeId make_state(const State& s) {
    const bool free = !s.at_low && !s.at_high && s.rests.empty();
    if (s.left > 0) {
      if (!free) return step(s, 0, 9);
      State end = s;
      end.left = 0;
      end.at = 0;
      const NodeId next = node_of(end);
      return is_nothing(next) ? next : g_.sequence({g_.repeat(digit_, s.left, s.left), next});
    }
    std::vector<NodeId> ways;
    if (may_end(s)) ways.push_back(g_.empty());
    if (numbers_.kind != Kind::kWhole && s.at < s.room) {
      if (s.behind && free && may_end(s)) return g_.repeat(digit_, 0, s.room - s.at);
      State next = s;
      next.behind = true;
      const NodeId more = step(next, 0, 9);
      if (!is_nothing(more)) ways.push_back(s.behind ? more : g_.sequence({g_.text("."), more}));
    }
    return ways.size() == 1 ? ways[0] : g_.choice(ways);
  }

  std::optional<Bound> low_, high_;
  const NumberCase& numbers_;
  Grammar& g_;
  NodeId digit_;
  size_t max_whole_ = kMaxWholeDigits;
  size_t max_fraction_ = kMaxDigits;
  size_t least_room_ = 0;  // for the digits of the bounds
  std::map<State, NodeId> states_;
};

std::string plain_text(const Decimal& d) {
  return (d.negative ? "-" : "") + (d.whole.empty() ? "0" : d.whole) + (d.fraction.empty() ? "" : "." + d.fraction);
}

}  // namespace

std::optional<NumberCase> both_of(const NumberCase& a, const NumberCase& b) {
  NumberCase out{higher(a.low, b.low), lower(a.high, b.high), a.kind, a.divisors};
  if (a.kind == Kind::kAny) out.kind = b.kind;
  if (a.kind != Kind::kAny && b.kind != Kind::kAny && a.kind != b.kind) return std::nullopt;
  for (const auto& d : b.divisors) {
    if (std::find(out.divisors.begin(), out.divisors.end(), d) == out.divisors.end()) out.divisors.push_back(d);
  }
  if (out.low && out.high) {
    if (out.low->value > out.high->value) return std::nullopt;
    if (out.is_one() && (out.low->open || out.high->open || !has(out, out.low->value))) return std::nullopt;
  }
  return out;
}

Result<NodeId> number_text(const NumberCase& numbers, JsonText& text) {
  Grammar& g = text.grammar();
  if (numbers.is_any()) return text.any_number();
  if (!numbers.low && !numbers.high && numbers.divisors.empty() && numbers.kind == Kind::kWhole) {
    return text.any_integer();
  }
  if (numbers.is_one()) {
    const Decimal& value = numbers.low->value;
    return has(numbers, value) ? g.text(plain_text(value)) : g.nothing();
  }
  std::vector<NodeId> signs;
  const Bound zero{Decimal(), false};
  if (!numbers.high || !numbers.high->value.negative) {
    const bool from_zero = !numbers.low || numbers.low->value.negative;
    DigitAutomaton above(from_zero ? std::optional(zero) : numbers.low, numbers.high, numbers, g);
    KEDGE_ASSIGN(node, above.make());
    signs.push_back(node);
  }
  if (!numbers.low || numbers.low->value.negative) {
    const auto mirrored = [](const std::optional<Bound>& b) {
      return b ? std::optional(Bound{b->value.negated(), b->open}) : std::nullopt;
    };
    const bool to_zero = !numbers.high || !numbers.high->value.negative;
    const Bound below{Decimal(), true};  // there is no -0
    DigitAutomaton automaton(to_zero ? std::optional(below) : mirrored(numbers.high), mirrored(numbers.low), numbers,
                             g);
    KEDGE_ASSIGN(node, automaton.make());
    if (!(g.node(node).kind == Grammar::Kind::kChoice && g.node(node).parts.empty())) {
      signs.push_back(g.sequence({g.text("-"), node}));
    }
  }
  std::erase_if(signs, [&](NodeId n) { return g.node(n).kind == Grammar::Kind::kChoice && g.node(n).parts.empty(); });
  return signs.size() == 1 ? signs[0] : g.choice(signs);
}

}  // namespace kedge::engine::grammar
