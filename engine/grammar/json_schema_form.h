// What a schema means, freed of its keywords: for each JSON type a union of cases, each a conjunction. Values within
// arrays and objects are named by what they have to obey, so that a form is finite where its schema refers to itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/grammar/json_schema_number.h"
#include "engine/grammar/json_schema_string.h"

namespace kedge::engine::grammar {

// A schema or a constant that a value obeys, or does not.
struct Atom {
  uint32_t place = 0;  // SchemaPlaces'
  bool constant = false;
  bool negated = false;
  auto operator<=>(const Atom&) const = default;
};
// All of them. None: any value. Ascending, each once.
using Conj = std::vector<Atom>;
Conj both_of(const Conj& a, const Conj& b);

struct ArrayCase {
  struct Contains {  // elements from index `from` on that obey are `least` to `most`
    Conj conj;
    size_t from = 0, least = 1, most = kNoLimit;
  };
  std::vector<Conj> prefix = {};
  Conj rest = {};
  size_t least = 0, most = kNoLimit;
  bool listed = false;  // a prefix, and nothing said about what is behind it
  std::vector<Contains> contains = {};
  std::string unique = {};  // pointer of uniqueItems
  std::string stuck = {};   // what cannot be enforced; empty: all can
  std::string at = {};      // pointer of a schema that says something of it, for messages

  bool is_any() const {
    return prefix.empty() && rest.empty() && least == 0 && most == kNoLimit && contains.empty() && unique.empty() &&
           stuck.empty();
  }
};

struct ObjectCase {
  // What one schema says about keys: each of them is named, or matches patterns, or is one of the rest.
  struct Keys {
    std::vector<std::pair<std::string, Conj>> named = {};
    std::vector<std::pair<Grammar::NodeId, Conj>> patterns = {};
    Conj rest = {};
    bool speaks_of_rest = false;
  };
  std::vector<Keys> keys = {};
  std::vector<std::string> required = {};
  std::vector<std::string> absent = {};
  std::vector<Conj> names = {};  // every key obeys
  size_t least = 0, most = kNoLimit;
  std::string stuck = {};
  std::string at = {};

  bool is_any() const {
    return keys.empty() && required.empty() && absent.empty() && names.empty() && least == 0 && most == kNoLimit &&
           stuck.empty();
  }
  bool requires_key(const std::string& key) const;
  bool forbids_key(const std::string& key) const;
  // What the value of a key obeys.
  Conj value_of(const std::string& key, const Grammar& grammar) const;
};

struct Form {
  bool null = false, yes = false, no = false;
  std::vector<NumberCase> numbers = {};
  std::vector<StringCase> strings = {};
  std::vector<ArrayCase> arrays = {};
  std::vector<ObjectCase> objects = {};

  static Form any();
  bool is_any() const;
  bool is_nothing() const;
  size_t n_cases() const { return numbers.size() + strings.size() + arrays.size() + objects.size(); }
  void add(Form other);  // union
};

// Cases that are seen to be empty are left out.
std::optional<ArrayCase> both_of(const ArrayCase& a, const ArrayCase& b);
std::optional<ObjectCase> both_of(const ObjectCase& a, const ObjectCase& b);
// More than kMaxCases: `too_many` is set, and the form is not all.
inline constexpr size_t kMaxCases = 4096;
Form both_of(const Form& a, const Form& b, const Grammar& grammar, bool& too_many);

}  // namespace kedge::engine::grammar
