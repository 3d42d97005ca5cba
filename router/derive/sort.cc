// "Sort the numbers: 6, 78, 30", "Sort the words: hammer, nail"
#include <algorithm>
#include <array>

#include "router/derive.h"
#include "router/numeral.h"
#include "router/text_norm.h"
#include "router/text_request.h"

namespace kedge::router::derivations {
namespace {

constexpr size_t npos = std::string::npos;

enum class Order { kNone, kAscending, kDescending, kAlphabet };
enum class Object { kAny, kNumbers, kWords };

struct Wanted {
  Order order = Order::kNone;
  Object object = Object::kAny;
};

// "sort", "sort words alphabetically", "sort list of numbers in descending order"; "order" alone may be one for pizza.
Wanted wanted(std::string head) {
  bool found = false;
  const bool sorts = head == "sort" || head.starts_with("sort ");
  for (const std::string_view verb : {"sort", "order", "arrange", "put"}) {
    if (head != verb && !head.starts_with(std::string(verb) + " ")) continue;
    head.erase(0, std::min(head.size(), verb.size() + 1));
    found = true;
    break;
  }
  if (!found) return {};
  Object object = Object::kAny;
  for (const std::string_view name :
       {"list of numbers", "list of words", "numbers", "words", "list", "items", "names"}) {
    if (head != name && !head.starts_with(std::string(name) + " ")) continue;
    head.erase(0, std::min(head.size(), name.size() + 1));
    object = name.find("numbers") != npos                    ? Object::kNumbers
             : name.find("words") != npos || name == "names" ? Object::kWords
                                                             : Object::kAny;
    break;
  }
  constexpr auto kUp = std::to_array<std::string_view>(
      {"", "in ascending order", "ascending", "from smallest to largest", "from lowest to highest",
       "from small to large", "in order", "from least to greatest", "in increasing order"});
  constexpr auto kDown =
      std::to_array<std::string_view>({"in descending order", "descending", "from largest to smallest",
                                       "from highest to lowest", "in decreasing order"});
  constexpr auto kAlphabet = std::to_array<std::string_view>(
      {"alphabetically", "in alphabetical order", "by alphabet", "in alphabetic order"});
  const auto in = [&](const auto& list) { return std::find(list.begin(), list.end(), head) != list.end(); };
  if (head.empty() && !sorts) return {};
  const Order order = in(kUp)         ? Order::kAscending
                      : in(kDown)     ? Order::kDescending
                      : in(kAlphabet) ? Order::kAlphabet
                                      : Order::kNone;
  return {order, object};
}

std::optional<Rational> number_of(const std::string& item) {
  const auto tokens = number_tokens(item);
  const bool negative = tokens.size() == 2 && tokens[0].text == "-" && !tokens[1].space_before;
  const auto& digits = tokens.back();
  if ((tokens.size() != 1 && !negative) || !digits.number || !digits.number->certain) return std::nullopt;
  return negative ? Rational::whole(0).minus(digits.number->value) : digits.number->value;
}

// Words that have an order of their own: days, months, numbers, sizes.
bool has_own_order(const std::string& word) {
  constexpr auto kOwn = std::to_array<std::string_view>(
      {"monday",   "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",    "january", "february",
       "march",    "april",   "may",       "june",     "july",   "august",   "september", "october", "november",
       "december", "small",   "medium",    "large",    "low",    "middle",   "high",      "first",   "second",
       "third",    "last",    "spring",    "summer",   "autumn", "winter",   "morning",   "noon",    "evening"});
  return std::find(kOwn.begin(), kOwn.end(), word) != kOwn.end() || take_number(number_tokens(word)).has_value();
}

struct Key {
  std::string item;
  std::optional<Rational> number;
  std::string word;
};

std::optional<Derived> derive(std::string_view question) {
  const auto r = parse_text_request(question);
  if (!r) return std::nullopt;
  const auto [order, object] = wanted(r->head);
  const auto items = order == Order::kNone ? std::nullopt : list_items(*r);
  if (!items) return std::nullopt;
  std::vector<Key> keys;
  for (const std::string& item : *items) keys.push_back({item, number_of(item), folded(item)});
  const bool numbers = std::all_of(keys.begin(), keys.end(), [](const Key& k) { return k.number.has_value(); });
  const bool words = std::all_of(keys.begin(), keys.end(), [](const Key& k) { return is_ascii_word(k.item); });
  // Collations differ over blanks, hyphens and letters with marks.
  if (numbers ? order == Order::kAlphabet || object == Object::kWords : !words || object == Object::kNumbers) {
    return std::nullopt;
  }
  const bool by_letters = object == Object::kWords || order == Order::kAlphabet;
  if (words && !by_letters &&
      std::all_of(keys.begin(), keys.end(), [](const Key& k) { return has_own_order(k.word); })) {
    return std::nullopt;
  }
  std::stable_sort(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
    return numbers ? less(*a.number, *b.number).value_or(false) : a.word < b.word;
  });
  for (size_t i = 1; i < keys.size(); ++i) {
    // Capitals stand before all small letters in some orders.
    if (!numbers && (keys[i - 1].item < keys[i].item) != (keys[i - 1].word < keys[i].word)) return std::nullopt;
    // Equal, but not written alike: nobody says which comes first.
    const bool equal = numbers ? *keys[i - 1].number == *keys[i].number : keys[i - 1].word == keys[i].word;
    if (equal && keys[i - 1].item != keys[i].item) return std::nullopt;
  }
  if (order == Order::kDescending) std::reverse(keys.begin(), keys.end());
  std::vector<std::string> sorted;
  for (const Key& k : keys) sorted.push_back(k.item);
  return Derived{.answer = joined(sorted, ", "),
                 .steps = std::to_string(sorted.size()) + (numbers ? " numbers by size" : " words by the alphabet"),
                 .form = Derived::Form::kList,
                 .items = sorted};
}

}  // namespace

extern constinit const DerivationDef sort;
constinit const DerivationDef sort = {"sort", "lists of numbers or of words in order", derive};

}  // namespace kedge::router::derivations
