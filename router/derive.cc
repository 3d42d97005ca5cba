#include "router/derive.h"

#include <algorithm>

#include "router/numeral.h"
#include "router/text_norm.h"

namespace kedge::router {

namespace derivations {
#define KEDGE_ENTRY(name) extern constinit const DerivationDef name;
#include "registry/derivations.inc"
#undef KEDGE_ENTRY
}  // namespace derivations

namespace {

constexpr const DerivationDef* kAll[] = {
#define KEDGE_ENTRY(name) &derivations::name,
#include "registry/derivations.inc"
#undef KEDGE_ENTRY
};

// Words of an answer, folded, without punctuation around them.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  const std::string normal = folded(text);
  for (size_t i = 0; i < normal.size();) {
    const size_t end = std::min(normal.find(' ', i), normal.size());
    const std::string_view word = std::string_view(normal).substr(i, end - i);
    const size_t first = word.find_first_not_of("\"'`*_.,;:!?()");
    if (first != std::string_view::npos) {
      words.emplace_back(word.substr(first, word.find_last_not_of("\"'`*_.,;:!?()") + 1 - first));
    }
    i = end + 1;
  }
  return words;
}

std::optional<bool> says_yes_no(std::string_view answer, const Derived& d) {
  const std::vector<std::string> words = words_of(answer);
  constexpr size_t kSentence = 3;  // "91 is not prime": a right answer that nobody reads here
  if (words.empty()) return false;
  if (words[0] != "yes" && words[0] != "no") return words.size() < kSentence ? std::optional(false) : std::nullopt;
  const std::string other = words[0] == "yes" ? "no" : "yes";
  if (std::find(words.begin(), words.end(), other) != words.end()) return false;
  return words[0] == d.answer;
}

std::optional<bool> says_one_of(std::string_view answer, const Derived& d) {
  const std::vector<std::string> words = words_of(answer);
  size_t n = 0;
  bool right = false;
  for (const std::string& w : words) {
    const bool choice = std::any_of(d.choices.begin(), d.choices.end(), [&](const auto& c) { return folded(c) == w; });
    n += choice ? 1 : 0;
    right = right || w == folded(d.answer);
    if (w == "not" || w == "or" || w == "no") return false;
  }
  return n == 1 && right;
}

// Quotation marks around all of it, a full stop behind it: not part of what is said.
std::string_view unwrapped(std::string_view text) {
  if (text.size() >= 2 && (text[0] == '"' || text[0] == '\'' || text[0] == '`')) {
    const std::string_view body = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
    if (body.size() >= 2 && body.back() == body[0]) return body.substr(1, body.size() - 2);
  }
  return text;
}

std::optional<bool> says_text(std::string_view answer, const Derived& d) {
  const auto without_stop = [](std::string_view s) { return s.ends_with('.') ? s.substr(0, s.size() - 1) : s; };
  const std::string said = normalized(answer);
  const std::string wanted = normalized(d.answer);
  return without_stop(said) == without_stop(wanted) || without_stop(unwrapped(said)) == without_stop(wanted);
}

std::optional<bool> says_list(std::string_view answer, const Derived& d) {
  std::vector<std::string> said = words_of(answer);
  std::erase_if(said, [](const std::string& w) { return w == "and" || w == "-"; });
  std::vector<std::string> wanted;
  for (const std::string& item : d.items) {
    for (std::string& w : words_of(item)) wanted.push_back(std::move(w));
  }
  return said == wanted;
}

}  // namespace

std::span<const DerivationDef* const> all_derivations() { return kAll; }

std::optional<Derived> derive(std::string_view question) {
  for (const DerivationDef* def : kAll) {
    auto derived = def->derive(question);
    if (!derived) continue;
    derived->kind = def->name;
    return derived;
  }
  return std::nullopt;
}

std::optional<bool> says(std::string_view answer, const Derived& derived) {
  switch (derived.form) {
    case Derived::Form::kNumber:
      return says_number(answer, derived.number);
    case Derived::Form::kYesNo:
      return says_yes_no(answer, derived);
    case Derived::Form::kOneOf:
      return says_one_of(answer, derived);
    case Derived::Form::kText:
      return says_text(answer, derived);
    case Derived::Form::kList:
      return says_list(answer, derived);
  }
  return std::nullopt;
}

}  // namespace kedge::router
