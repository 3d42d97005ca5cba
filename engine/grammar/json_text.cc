#include "engine/grammar/json_text.h"

#include <algorithm>
#include <string>
#include <utility>

namespace kedge::engine::grammar {
namespace {

using NodeId = Grammar::NodeId;
using Ranges = std::vector<CharRange>;

// Characters that have to be escaped, and the letter that does it.
constexpr std::pair<char32_t, char32_t> kShort[] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
                                                    {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}};

bool is_in(const Ranges& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const CharRange& r) { return r.first <= c && c <= r.last; });
}

// What stands in a JSON string as itself.
Ranges plain_of(const Ranges& ranges) {
  static constexpr CharRange kPlain[] = {{0x20, 0x21}, {0x23, 0x5b}, {0x5d, 0x10ffff}};
  Ranges out;
  for (const CharRange& r : ranges) {
    for (const CharRange& p : kPlain) {
      const CharRange both = {std::max(r.first, p.first), std::min(r.last, p.last)};
      if (both.first <= both.last) out.push_back(both);
    }
  }
  return out;
}

std::string escaped_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto* escape = std::find_if(std::begin(kShort), std::end(kShort),
                                      [c](auto& s) { return s.first == static_cast<unsigned char>(c); });
    if (escape != std::end(kShort)) {
      out += '\\';
      out += static_cast<char>(escape->second);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += c < 16 ? "\\u000" : "\\u001";
      out += "0123456789abcdef"[c % 16];
    } else {
      out += c;
    }
  }
  return out;
}

Ranges digits() { return {{'0', '9'}}; }
Ranges hex_digits() { return {{'0', '9'}, {'a', 'f'}, {'A', 'F'}}; }

}  // namespace

NodeId JsonText::with_spaces(std::string_view token) {
  if (style_.max_spaces == 0) return grammar_.text(token);
  return grammar_.sequence({grammar_.text(token), grammar_.repeat(grammar_.text(" "), 0, style_.max_spaces)});
}

NodeId JsonText::string_of(NodeId content) {
  const auto [known, is_new] = quoted_.try_emplace(content, 0);
  if (is_new) {
    const NodeId quote = grammar_.text("\"");
    known->second = grammar_.sequence({quote, escaped(content), quote});
  }
  return known->second;
}

// Escaping is a substitution whose images are distinct and uniquely read back, so it goes through every operation.
NodeId JsonText::escaped(NodeId id) {
  if (const auto known = escaped_.find(id); known != escaped_.end()) return known->second;
  const Grammar::Node node = grammar_.node(id);  // a copy: the arena grows
  std::vector<NodeId> parts;
  for (const NodeId part : node.parts) parts.push_back(escaped(part));
  NodeId out = id;
  switch (node.kind) {
    case Grammar::Kind::kText:
    case Grammar::Kind::kMarker:
      out = grammar_.text(escaped_text(node.text));
      break;
    case Grammar::Kind::kChars:
      out = escaped_chars(node.chars);
      break;
    case Grammar::Kind::kSequence:
      out = grammar_.sequence(parts);
      break;
    case Grammar::Kind::kChoice:
      out = grammar_.choice(parts);
      break;
    case Grammar::Kind::kRepeat:
      out = grammar_.repeat(parts[0], node.least, node.most);
      break;
    case Grammar::Kind::kRule:  // of a regular expression: it never leads back to itself
      out = escaped(grammar_.body(node.rule));
      break;
    case Grammar::Kind::kBoth:
      out = grammar_.both(parts[0], parts[1]);
      break;
    case Grammar::Kind::kWithout:
      out = grammar_.without(parts[0], parts[1]);
      break;
  }
  return escaped_[id] = out;
}

NodeId JsonText::escaped_chars(const Ranges& ranges) {
  Ranges letters;
  Ranges low;   // second digits of \u000x
  Ranges high;  // of \u001x
  for (const auto& [c, letter] : kShort) {
    if (is_in(ranges, c)) letters.push_back({letter, letter});
  }
  for (char32_t c = 0; c < 0x20; ++c) {
    const bool has_letter = std::any_of(std::begin(kShort), std::end(kShort), [c](auto& s) { return s.first == c; });
    if (has_letter || !is_in(ranges, c)) continue;
    const char32_t digit = U"0123456789abcdef"[c % 16];
    (c < 16 ? low : high).push_back({digit, digit});
  }
  std::vector<NodeId> ways;
  if (Ranges plain = plain_of(ranges); !plain.empty()) ways.push_back(grammar_.chars(std::move(plain)));
  std::vector<NodeId> escapes;
  if (!letters.empty()) escapes.push_back(grammar_.chars(std::move(letters)));
  for (const auto& [prefix, second] : {std::pair("u000", &low), std::pair("u001", &high)}) {
    if (!second->empty()) escapes.push_back(grammar_.sequence({grammar_.text(prefix), grammar_.chars(*second)}));
  }
  if (!escapes.empty()) ways.push_back(grammar_.sequence({grammar_.text("\\"), grammar_.choice(escapes)}));
  return ways.size() == 1 ? ways[0] : grammar_.choice(ways);
}

NodeId JsonText::any_string() {
  if (!string_) string_ = make_any_string();
  return *string_;
}

NodeId JsonText::make_any_string() {
  Grammar& g = grammar_;
  const NodeId hex = g.chars(hex_digits());
  const NodeId d = g.chars({{'d', 'd'}, {'D', 'D'}});
  const NodeId plain = g.chars({{0x20, 0x21}, {0x23, 0x5b}, {0x5d, 0x10ffff}});
  const NodeId letter =
      g.chars({{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}});
  const NodeId no_surrogate = g.choice(
      {g.sequence({g.chars({{'0', '9'}, {'a', 'c'}, {'A', 'C'}, {'e', 'f'}, {'E', 'F'}}), g.repeat(hex, 3, 3)}),
       g.sequence({d, g.chars({{'0', '7'}}), g.repeat(hex, 2, 2)})});
  const NodeId pair = g.sequence({d, g.chars({{'8', '9'}, {'a', 'b'}, {'A', 'B'}}), g.repeat(hex, 2, 2), g.text("\\u"),
                                  d, g.chars({{'c', 'f'}, {'C', 'F'}}), g.repeat(hex, 2, 2)});
  const NodeId escape =
      g.sequence({g.text("\\"), g.choice({letter, g.sequence({g.text("u"), g.choice({no_surrogate, pair})})})});
  const Grammar::RuleId rule = g.declare("json string");
  g.define(rule, g.sequence({g.text("\""), g.repeat(g.choice({plain, escape}), 0), g.text("\"")}));
  return g.rule(rule);
}

NodeId JsonText::any_integer() {
  if (integer_) return *integer_;
  Grammar& g = grammar_;
  const NodeId above_zero = g.sequence({g.chars({{'1', '9'}}), g.repeat(g.chars(digits()), 0, kMaxWholeDigits - 1)});
  const Grammar::RuleId rule = g.declare("json integer");
  g.define(rule, g.choice({g.text("0"), g.sequence({g.optional(g.text("-")), above_zero})}));
  return *(integer_ = g.rule(rule));
}

NodeId JsonText::any_number() {
  if (number_) return *number_;
  Grammar& g = grammar_;
  const NodeId digit = g.chars(digits());
  const NodeId whole =
      g.choice({g.text("0"), g.sequence({g.chars({{'1', '9'}}), g.repeat(digit, 0, kMaxWholeDigits - 1)})});
  const NodeId fraction = g.sequence({g.text("."), g.repeat(digit, 1, kMaxFractionDigits)});
  const NodeId exponent = g.sequence(
      {g.chars({{'e', 'e'}, {'E', 'E'}}), g.optional(g.chars({{'+', '+'}, {'-', '-'}})), g.repeat(digit, 1, 2)});
  const Grammar::RuleId rule = g.declare("json number");
  g.define(rule, g.sequence({g.optional(g.text("-")), whole, g.optional(fraction), g.optional(exponent)}));
  return *(number_ = g.rule(rule));
}

NodeId JsonText::any_value() {
  if (value_) return *value_;
  const Grammar::RuleId rule = grammar_.declare("json value");
  value_ = grammar_.rule(rule);  // arrays and objects have it in them
  grammar_.define(rule, grammar_.choice({any_object(), any_array(), any_string(), any_number(), grammar_.text("true"),
                                         grammar_.text("false"), grammar_.text("null")}));
  return *value_;
}

NodeId JsonText::any_array() {
  if (array_) return *array_;
  const Grammar::RuleId rule = grammar_.declare("json array");
  array_ = grammar_.rule(rule);
  grammar_.define(rule, list(any_value(), 0, kNoLimit));
  return *array_;
}

NodeId JsonText::list(NodeId element, size_t least, size_t most) {
  Grammar& g = grammar_;
  const NodeId open = g.text("[");
  const NodeId close = g.text("]");
  if (most == 0) return g.sequence({open, close});
  const NodeId more =
      g.repeat(g.sequence({comma(), element}), std::max<size_t>(least, 1) - 1, most == kNoLimit ? kNoLimit : most - 1);
  const NodeId some = g.sequence({element, more});
  return g.sequence({open, least == 0 ? g.optional(some) : some, close});
}

NodeId JsonText::any_object() {
  if (object_) return *object_;
  Grammar& g = grammar_;
  const Grammar::RuleId rule = g.declare("json object");
  object_ = g.rule(rule);
  const NodeId member = g.sequence({any_string(), colon(), any_value()});
  const NodeId more = g.repeat(g.sequence({comma(), member}), 0);
  g.define(rule, g.sequence({g.text("{"), g.optional(g.sequence({member, more})), g.text("}")}));
  return *object_;
}

NodeId any_json(const JsonStyle& style, Grammar& into) { return JsonText(style, into).any_value(); }
NodeId any_json_object(const JsonStyle& style, Grammar& into) { return JsonText(style, into).any_object(); }

}  // namespace kedge::engine::grammar
