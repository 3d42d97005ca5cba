// Strings that a schema accepts: languages of their characters, before JSON escapes them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/grammar.h"
#include "kernels/base/result.h"

namespace kedge::engine::grammar {

struct StringCase {
  std::optional<std::set<std::string>> values = {};  // these and no others; the rest is kept by them already
  std::set<std::string> excluded = {};
  size_t least = 0;  // characters
  size_t most = kNoLimit;
  std::vector<Grammar::NodeId> in = {};   // regular expressions of whole texts, matched by all
  std::vector<Grammar::NodeId> out = {};  // by none

  bool is_any() const {
    return !values && excluded.empty() && least == 0 && most == kNoLimit && in.empty() && out.empty();
  }
};

// Nothing: no string is in both, as far as that is seen without an automaton.
std::optional<StringCase> both_of(const StringCase& a, const StringCase& b, const Grammar& grammar);
bool has(const StringCase& strings, const std::string& value, const Grammar& grammar);

// The language of the strings' characters.
Grammar::NodeId string_content(const StringCase& strings, Grammar& grammar);

// A pattern as JSON Schema means it, found anywhere in a text, as an expression of whole texts. Errors: those of
// read_regex; kUnsupported: ^ or $ where a text does not begin or end.
Result<Grammar::NodeId> read_pattern(std::string_view pattern, Grammar& into);

// The regular expression (of whole texts) of a format; nothing: it is not known. "": any text has it.
std::optional<std::string> format_pattern(std::string_view name);

}  // namespace kedge::engine::grammar
