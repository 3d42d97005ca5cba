// What the router works out itself, without a model: sums, units, days, and texts that are reversed, sorted or counted.
// Files of router/derive/ provide a kind each: the stem is its key, and it defines `constinit const DerivationDef
// <stem>` in namespace kedge::router::derivations.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/number_answer.h"

namespace kedge::router {

struct Derived {
  enum class Form {
    kNumber,  // `number` in any spelling
    kYesNo,   // yes or no
    kOneOf,   // one of `choices` and no other of them
    kText,    // the text itself, letter for letter
    kList,    // the words of `items`, in their order
  };
  std::string kind = {};    // the key of what derived it
  std::string answer = {};  // for people
  std::string steps = {};   // how it comes about: "417 + 268 = 685"
  Form form = Form::kNumber;
  ExpectedNumber number = {};
  std::vector<std::string> choices = {};
  std::vector<std::string> items = {};

  bool is_text() const { return form == Form::kText || form == Form::kList; }
};

// Nothing unless every character of the question, courtesies around it aside, was understood, and in one way only.
std::optional<Derived> derive(std::string_view question);

// Whether an answer says what was derived. Nothing: perhaps; it says more than is understood here.
std::optional<bool> says(std::string_view answer, const Derived& derived);

struct DerivationDef {
  const char* name;
  const char* doc;
  std::optional<Derived> (*derive)(std::string_view question);
};
std::span<const DerivationDef* const> all_derivations();  // by name

}  // namespace kedge::router
