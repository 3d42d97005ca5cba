// "What is 2.5 kg in g?", "How many minutes are in 3 hours?": units whose ratio is exact and the same everywhere.
#include <algorithm>
#include <array>

#include "router/courtesy.h"
#include "router/derive.h"
#include "router/numeral.h"
#include "router/text_norm.h"

namespace kedge::router::derivations {
namespace {

enum Quantity { kLength, kMass, kVolume, kTime, kData, kTemperature };

struct Unit {
  Quantity quantity;
  int64_t numerator;  // of the quantity's base unit (mm, mg, ml, ms, bit)
  int64_t denominator;
  std::string_view symbol;                // as it is written behind a number
  std::array<std::string_view, 6> names;  // folded; symbols among them count only in the letters' size they have
};

// Not here: gallons, pints, cups, tons and miles at sea, months and years, KB and MB, which differ from place to place.
constexpr auto kUnits = std::to_array<Unit>({
    {kLength, 1, 1, "mm", {"millimetre", "millimetres", "millimeter", "millimeters"}},
    {kLength, 10, 1, "cm", {"centimetre", "centimetres", "centimeter", "centimeters"}},
    {kLength, 100, 1, "dm", {"decimetre", "decimetres", "decimeter", "decimeters"}},
    {kLength, 1000, 1, "m", {"metre", "metres", "meter", "meters"}},
    {kLength, 1000000, 1, "km", {"kilometre", "kilometres", "kilometer", "kilometers"}},
    {kLength, 254, 10, "in", {"inch", "inches"}},
    {kLength, 3048, 10, "ft", {"foot", "feet"}},
    {kLength, 9144, 10, "yd", {"yard", "yards"}},
    {kLength, 1609344, 1, "mi", {"mile", "miles"}},
    {kMass, 1, 1, "mg", {"milligram", "milligrams", "milligramme", "milligrammes"}},
    {kMass, 1000, 1, "g", {"gram", "grams", "gramme", "grammes"}},
    {kMass, 1000000, 1, "kg", {"kilogram", "kilograms", "kilo", "kilos", "kilogramme", "kilogrammes"}},
    {kMass, 1000000000, 1, "t", {"tonne", "tonnes"}},
    {kMass, 45359237, 100, "lb", {"pound", "pounds", "lbs"}},
    {kMass, 45359237, 1600, "oz", {"ounce", "ounces"}},
    {kVolume, 1, 1, "ml", {"millilitre", "millilitres", "milliliter", "milliliters", "mL"}},
    {kVolume, 10, 1, "cl", {"centilitre", "centilitres", "centiliter", "centiliters", "cL"}},
    {kVolume, 100, 1, "dl", {"decilitre", "decilitres", "deciliter", "deciliters", "dL"}},
    {kVolume, 1000, 1, "l", {"litre", "litres", "liter", "liters", "L"}},
    {kTime, 1, 1, "ms", {"millisecond", "milliseconds"}},
    {kTime, 1000, 1, "s", {"second", "seconds", "sec", "secs"}},
    {kTime, 60000, 1, "min", {"minute", "minutes", "mins"}},
    {kTime, 3600000, 1, "h", {"hour", "hours", "hr", "hrs"}},
    {kTime, 86400000, 1, "days", {"day", "d"}},
    {kTime, 604800000, 1, "weeks", {"week"}},
    {kData, 1, 1, "bit", {"bits"}},
    {kData, 8, 1, "byte", {"bytes"}},
    {kData, 8192, 1, "KiB", {"kibibyte", "kibibytes"}},
    {kData, 8388608, 1, "MiB", {"mebibyte", "mebibytes"}},
    {kTemperature, 0, 1, "C", {"celsius", "centigrade"}},
    {kTemperature, 0, 1, "F", {"fahrenheit"}},
});

const Unit* unit_of(const NumberToken& token) {
  for (const Unit& u : kUnits) {
    const bool kilo = u.symbol == "kg" || u.symbol == "km";  // KG is nothing else
    if (token.raw == u.symbol || (kilo && token.text == u.symbol)) return &u;
    for (const std::string_view name : u.names) {
      const bool symbol = name.size() == 2 || name == "L";
      if (!name.empty() && (symbol ? token.raw : token.text) == name) return &u;
    }
  }
  return nullptr;
}

struct Measure {
  Rational value = Rational::whole(0);
  const Unit* unit = nullptr;
};

class Reader {
 public:
  explicit Reader(std::string_view core) : tokens_(number_tokens(core)) {
    std::erase_if(tokens_,
                  [](const NumberToken& t) { return t.raw == "\u00b0" || t.text == "degrees" || t.text == "degree"; });
  }
  bool accept(std::initializer_list<std::string_view> words) {
    size_t i = at_;
    for (const std::string_view w : words) {
      if (i >= tokens_.size() || tokens_[i].text != w) return false;
      ++i;
    }
    return at_ = i, true;
  }
  const Unit* unit() {
    const Unit* u = at_ < tokens_.size() && tokens_[at_].kind == NumberToken::kWord ? unit_of(tokens_[at_]) : nullptr;
    at_ += u == nullptr ? 0 : 1;
    return u;
  }
  std::optional<Measure> measure() {
    const bool negative = accept({"-"}) || accept({"minus"});
    auto taken = take_number(std::span(tokens_).subspan(std::min(at_, tokens_.size())));
    if (!taken && (accept({"a"}) || accept({"an"}))) taken = TakenNumber{.number = {.value = Rational::whole(1)}};
    if (!taken || !taken->number.certain) return std::nullopt;
    at_ += taken->tokens;
    const auto value = negative ? Rational::whole(0).minus(taken->number.value) : taken->number.value;
    const Unit* u = unit();
    if (u == nullptr || !value) return std::nullopt;
    return Measure{*value, u};
  }
  bool done() {
    while (accept({"?"}) || accept({"."}) || accept({"="})) {
    }
    return at_ == tokens_.size();
  }

 private:
  std::vector<NumberToken> tokens_;
  size_t at_ = 0;
};

std::optional<Rational> factor(const Unit& u) { return Rational::make(u.numerator, u.denominator); }

Derived given(Rational value, const Measure& from, const Unit& to, std::string steps) {
  ExpectedNumber expected{.value = value, .operands = {from.value}, .units = {folded(to.symbol)}};
  for (const std::string_view name : to.names) {
    if (!name.empty()) expected.units.push_back(folded(name));
  }
  expected.other_units.push_back(folded(from.unit->symbol));
  for (const std::string_view name : from.unit->names) {
    if (!name.empty()) expected.other_units.push_back(folded(name));
  }
  if (to.quantity == kTemperature) expected.units.insert(expected.units.end(), {"\u00b0", "degrees"});
  return {
      .answer = value.text() + " " + std::string(to.symbol), .steps = std::move(steps), .number = std::move(expected)};
}

std::optional<Derived> temperature(const Measure& from, const Unit& to) {
  const Rational nine_fifths = *Rational::make(9, 5);
  const Rational offset = Rational::whole(32);
  const bool to_fahrenheit = to.symbol == "F";
  const auto shifted = to_fahrenheit ? from.value.times(nine_fifths) : from.value.minus(offset);
  if (!shifted) return std::nullopt;
  const auto value = to_fahrenheit ? shifted->plus(offset) : shifted->over(nine_fifths);
  if (!value || !value->decimals_end()) return std::nullopt;
  const std::string steps =
      to_fahrenheit ? from.value.text() + " * 9 / 5 + 32" : "(" + from.value.text() + " - 32) * 5 / 9";
  return given(*value, from, to, steps + " = " + value->text());
}

std::optional<Derived> converted(const Measure& from, const Unit& to) {
  if (from.unit == nullptr || from.unit->quantity != to.quantity || from.unit == &to) return std::nullopt;
  if (to.quantity == kTemperature) return temperature(from, to);
  const auto numerator = factor(*from.unit);
  const auto ratio = numerator ? numerator->over(*factor(to)) : std::nullopt;
  const auto value = ratio ? from.value.times(*ratio) : std::nullopt;
  if (!value || from.value.numerator() < 0) return std::nullopt;
  const std::string steps = std::string(from.unit->symbol) + " to " + std::string(to.symbol) + ": " +
                            from.value.text() + " * " + ratio->text() + " = " + value->text();
  Derived d = given(*value, from, to, steps);
  const std::string readable = value->readable();
  const size_t about = readable.find("about ");
  d.answer = (about == std::string::npos ? readable : readable.substr(about)) + " " + std::string(to.symbol);
  return d;
}

std::optional<Derived> how_many(Reader& r) {
  const Unit* to = r.unit();
  if (to == nullptr) return std::nullopt;
  const bool does = r.accept({"does"}) || r.accept({"do"});
  if (!does && !r.accept({"are", "there", "in"}) && !r.accept({"are", "in"}) && !r.accept({"is"}) &&
      !r.accept({"are"}) && !r.accept({"in"}) && !r.accept({"make"}) && !r.accept({"there", "are", "in"})) {
    return std::nullopt;
  }
  const auto from = r.measure();
  if (!from || (does && !r.accept({"have"}) && !r.accept({"make"})) || !r.done()) return std::nullopt;
  return converted(*from, *to);
}

std::optional<Derived> derive(std::string_view question) {
  Reader r(without_courtesy(question).core);
  if (r.accept({"how", "many"})) return how_many(r);
  if (!r.accept({"what", "is"}) && !r.accept({"what's"}) && !r.accept({"whats"}) && !r.accept({"convert"}) &&
      !r.accept({"how", "much", "is"}) && !r.accept({"express"})) {
    r.accept({"what", "are"});
  }
  const auto from = r.measure();
  if (!from) return std::nullopt;
  if (!r.accept({"in"}) && !r.accept({"to"}) && !r.accept({"into"}) && !r.accept({"as"})) return std::nullopt;
  const Unit* to = r.unit();
  if (to == nullptr || !r.done()) return std::nullopt;
  return converted(*from, *to);
}

}  // namespace

extern constinit const DerivationDef units;
constinit const DerivationDef units = {"units", "measures in another unit", derive};

}  // namespace kedge::router::derivations
