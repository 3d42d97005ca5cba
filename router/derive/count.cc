// "How many words are in this list? copper, butter", "How many letters are in the word "banana"?", "How many r's ..."
#include <algorithm>
#include <array>

#include "router/derive.h"
#include "router/text_norm.h"
#include "router/text_request.h"

namespace kedge::router::derivations {
namespace {

Derived number(size_t n, std::string steps, std::vector<std::string> units) {
  const Rational value = Rational::whole(static_cast<Rational::Int>(n));
  return {.answer = value.text(), .steps = std::move(steps), .number = {.value = value, .units = std::move(units)}};
}

std::optional<Derived> items_of(const TextRequest& r) {
  constexpr auto kThings = std::to_array<std::string_view>({"words", "items", "numbers", "elements"});
  constexpr auto kBehind =
      std::to_array<std::string_view>({"are in list", "are there in list", "are there", "are there here",
                                       "are in list of words", "are listed", "does list have"});
  std::string head = r.head;
  if (head.starts_with("count ")) {
    head.erase(0, 6);
    for (const std::string_view thing : kThings) {
      if (head == thing || head == std::string(thing) + " in list")
        head = "how many " + std::string(thing) + " are there";
    }
  }
  for (const std::string_view thing : kThings) {
    const std::string begin = "how many " + std::string(thing) + " ";
    if (!head.starts_with(begin)) continue;
    if (std::find(kBehind.begin(), kBehind.end(), head.substr(begin.size())) == kBehind.end()) return std::nullopt;
    const auto items = list_items(r);
    const bool single = items && std::all_of(items->begin(), items->end(), [](const std::string& item) {
                          return item.find(' ') == std::string::npos;
                        });
    if (!items || (thing == "words" && !single)) return std::nullopt;
    return number(items->size(), "the items between " + std::to_string(items->size() - 1) + " commas",
                  {std::string(thing)});
  }
  return std::nullopt;
}

std::optional<Derived> words_of(const TextRequest& r) {
  constexpr auto kHeads = std::to_array<std::string_view>(
      {"how many words are in sentence", "how many words are there in sentence", "how many words does sentence",
       "count words in sentence", "how many words are in text", "how many words are in phrase"});
  const bool tail = r.tail.empty() || r.tail == "have" || r.tail == "contain";
  if (!r.quoted || !tail || std::find(kHeads.begin(), kHeads.end(), r.head) == kHeads.end()) return std::nullopt;
  size_t n = 0;
  const std::string text = normalized(r.payload);
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(text.find(' ', i), text.size());
    std::string_view word = std::string_view(text).substr(i, end - i);
    while (!word.empty() && std::string_view(".,;:!?").find(word.back()) != std::string_view::npos)
      word.remove_suffix(1);
    if (!is_ascii_word(word)) return std::nullopt;  // well-known: one or two
    ++n;
    i = end + 1;
  }
  return number(n, "the words between the blanks", {"words", "word"});
}

std::optional<Derived> letters_of(std::string_view head, std::string_view tail, std::string_view word) {
  constexpr auto kHeads = std::to_array<std::string_view>(
      {"how many letters are in word", "how many letters are in", "how many letters are there in word",
       "how many letters in word", "how many letters are there in", "how many letters does word",
       "how many letters has word", "count letters in word", "how many letters are contained in word"});
  const bool has = tail.empty() || tail == "have" || tail == "contain";
  if (!has || std::find(kHeads.begin(), kHeads.end(), head) == kHeads.end() || !is_ascii_word(word))
    return std::nullopt;
  return number(word.size(), "the letters of " + std::string(word), {"letters", "letter"});
}

// "how many r's are in", "how many times does letter r appear in"
char letter_asked(std::string_view head) {
  for (const auto& [before, behind] :
       {std::pair<std::string_view, std::string_view>{"how many times does letter ", " appear in"},
        {"how many times does letter ", " appear in word"},
        {"how many times does letter ", " occur in"},
        {"how many times does letter ", " occur in word"},
        {"how often does letter ", " appear in"},
        {"how often does letter ", " occur in"},
        {"how often does letter ", " appear in word"},
        {"how often does letter ", " occur in word"}}) {
    if (head.size() == before.size() + 1 + behind.size() && head.starts_with(before) && head.ends_with(behind)) {
      return head[before.size()];
    }
  }
  // The apostrophe of "r's" is gone.
  constexpr std::string_view kHowMany = "how many ";
  if (!head.starts_with(kHowMany) || head.size() < kHowMany.size() + 3) return '\0';
  const std::string_view rest = head.substr(kHowMany.size());
  if (rest[1] != 's' || rest[2] != ' ') return '\0';
  const std::string_view where = rest.substr(3);
  const bool known =
      where == "are in" || where == "are in word" || where == "are there in" || where == "are there in word";
  return known ? rest[0] : '\0';
}

std::optional<Derived> derive(std::string_view question) {
  auto r = parse_text_request(question);
  if (r) {
    if (auto found = items_of(*r)) return found;
    if (auto found = words_of(*r)) return found;
    if (r->unclear()) return std::nullopt;
  } else {
    r = parse_last_word_request(question);
    if (!r) return std::nullopt;
  }
  const bool bare = !r->quoted && r->head.find("word") == std::string::npos;  // "in English": 7 or 26
  if (auto found = letters_of(r->head, r->tail, r->payload); found && !bare) return found;
  const char letter = r->tail.empty() ? letter_asked(r->head) : '\0';
  if (letter < 'a' || letter > 'z' || !is_ascii_word(r->payload)) return std::nullopt;
  const auto n = std::count_if(r->payload.begin(), r->payload.end(), [&](char c) { return (c | 32) == letter; });
  return number(static_cast<size_t>(n), std::string("the letters ") + letter + " of " + std::string(r->payload), {});
}

}  // namespace

extern constinit const DerivationDef count;
constinit const DerivationDef count = {"count", "items, words and letters counted", derive};

}  // namespace kedge::router::derivations
