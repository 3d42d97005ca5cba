// "Reverse the word "stressed"", "Reverse the list: hill, curtain"
#include <algorithm>
#include <array>

#include "router/derive.h"
#include "router/text_request.h"

namespace kedge::router::derivations {
namespace {

constexpr auto kLists =
    std::to_array<std::string_view>({"reverse list", "reverse order of list", "reverse order of words",
                                     "reverse list of words", "list in reverse order"});
constexpr auto kWords = std::to_array<std::string_view>(
    {"reverse word", "reverse letters of word", "reverse letters in word", "reverse letters of", "spell word backwards",
     "spell backwards", "write word backwards", "write backwards", "reverse string"});
constexpr auto kBefore =
    std::to_array<std::string_view>({"spell", "spell word", "write", "write word", "what is", "whats", "what is word"});
constexpr auto kBehind = std::to_array<std::string_view>(
    {"backwards", "spelled backwards", "spelt backwards", "backward", "written backwards"});

template <size_t N>
bool one_of(std::string_view w, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), w) != list.end();
}

std::optional<Derived> letters(std::string_view word) {
  // Letters beyond ASCII may be made of several characters; of two words nobody knows whether they change places.
  if (!is_ascii_word(word)) return std::nullopt;
  std::string reversed(word.rbegin(), word.rend());
  std::string steps = "the letters of " + std::string(word) + " from the last to the first";
  return Derived{.answer = std::move(reversed), .steps = std::move(steps), .form = Derived::Form::kText};
}

std::optional<Derived> derive(std::string_view question) {
  const auto r = parse_text_request(question);
  if (!r) {
    const auto last = parse_last_word_request(question);
    // "Reverse the word order" means another thing.
    const bool word = last && (last->head == "reverse word" || last->head == "reverse letters of word");
    return word && last->payload != "order" ? letters(last->payload) : std::nullopt;
  }
  if (!r->unclear() && r->tail.empty() && (one_of(r->head, kWords) || (r->quoted && r->head == "reverse"))) {
    return letters(r->payload);
  }
  if (r->quoted && one_of(r->head, kBefore) && one_of(r->tail, kBehind)) return letters(r->payload);
  if (!one_of(r->head, kLists)) return std::nullopt;
  auto items = list_items(*r);
  if (!items) return std::nullopt;
  std::reverse(items->begin(), items->end());
  return Derived{.answer = joined(*items, ", "),
                 .steps = "the " + std::to_string(items->size()) + " items from the last to the first",
                 .form = Derived::Form::kList,
                 .items = *items};
}

}  // namespace

extern constinit const DerivationDef reverse;
constinit const DerivationDef reverse = {"reverse", "words letter by letter, lists item by item", derive};

}  // namespace kedge::router::derivations
