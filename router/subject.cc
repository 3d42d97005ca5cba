#include "router/subject.h"

#include <algorithm>
#include <array>

#include "router/text_norm.h"

namespace kedge::router {

namespace {

constexpr size_t npos = std::string_view::npos;

struct Word {
  std::string_view text;   // without punctuation around it and without 's
  bool name_ends = false;  // a comma, stop or possessive behind it
};

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Letters beyond ASCII count as capitals when Latin-1 or Latin Extended-A says so (the usual names of people).
bool is_capitalized(std::string_view w) {
  if (w.empty()) return false;
  if (is_upper(w[0])) return true;
  if (w.size() < 2) return false;
  const auto a = static_cast<unsigned char>(w[0]);
  const auto b = static_cast<unsigned char>(w[1]);
  if (a == 0xc3) return b >= 0x80 && b <= 0x9e && b != 0x97;
  return (a == 0xc4 || a == 0xc5) && b % 2 == 0;
}

template <size_t N>
bool one_of(std::string_view w, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), w) != list.end();
}

constexpr std::array<std::string_view, 60> kNoNames = {
    "What",  "When",  "Where",  "Which",  "Who",      "Whom",   "Whose",     "Why",      "How",    "In",
    "On",    "At",    "By",     "For",    "From",     "To",     "Of",        "With",     "Did",    "Do",
    "Does",  "Is",    "Are",    "Was",    "Were",     "Has",    "Have",      "Had",      "Can",    "Could",
    "The",   "A",     "An",     "I",      "Name",     "Tell",   "Give",      "List",     "Find",   "Explain",
    "Under", "After", "Before", "During", "Describe", "Please", "According", "Compute",  "Will",   "Would",
    "State", "It",    "He",     "She",    "They",     "This",   "That",      "Question", "Answer", "And"};
constexpr std::array<std::string_view, 19> kCalendar = {"January",  "February", "March",     "April",     "June",
                                                        "July",     "August",   "September", "October",   "November",
                                                        "December", "Monday",   "Tuesday",   "Wednesday", "Thursday",
                                                        "Friday",   "Saturday", "Sunday",    "May"};
constexpr std::array<std::string_view, 11> kJoins = {"of",  "the", "de", "van", "von", "der",
                                                     "den", "la",  "le", "di",  "da"};
constexpr std::array<std::string_view, 13> kVerbs = {"is",   "was",    "are",  "were",    "has",      "had", "have",
                                                     "lies", "stands", "does", "belongs", "produces", "did"};

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(text.find(' ', i), text.size());
    std::string_view w = text.substr(i, end - i);
    const size_t first = std::min(w.find_first_not_of("([{\"'`*"), w.size());
    w.remove_prefix(first);
    const size_t last = w.find_last_not_of(")]}\"'`*.,;:!?");
    Word word;
    word.name_ends = last != npos && last + 1 < w.size();
    w = last == npos ? std::string_view{} : w.substr(0, last + 1);
    for (std::string_view possessive : {"'s", "\u2019s"}) {
      if (w.ends_with(possessive)) {
        w.remove_suffix(possessive.size());
        word.name_ends = true;
      }
    }
    word.text = w;
    // "A." of a name goes on; a stop elsewhere ends it.
    if (w.size() == 1 && is_upper(w[0])) word.name_ends = false;
    if (!w.empty()) words.push_back(word);
    i = end + 1;
  }
  return words;
}

bool is_identifier(std::string_view w) {
  if (w.find('_') != npos && w.size() > 2) return true;
  const bool digit = std::any_of(w.begin(), w.end(), is_digit);
  const bool upper = std::any_of(w.begin(), w.end(), is_upper);
  return digit && upper && w.size() >= 3;
}

bool is_long_number(std::string_view w) { return w.size() >= 3 && std::all_of(w.begin(), w.end(), is_digit); }

void add(std::vector<std::string>& list, std::string_view subject) {
  if (!subject.empty() && std::find(list.begin(), list.end(), subject) == list.end()) list.emplace_back(subject);
}

void add_quoted(std::string_view text, std::vector<std::string>& list) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kPairs = {
      {{"\"", "\""}, {"\u201c", "\u201d"}, {"\u00ab", "\u00bb"}, {"`", "`"}}};
  for (const auto& [open, close] : kPairs) {
    for (size_t at = text.find(open); at != npos;) {
      const size_t begin = at + open.size();
      const size_t end = text.find(close, begin);
      if (end == npos) break;
      add(list, bare_value(text.substr(begin, end - begin)));
      at = text.find(open, end + close.size());
    }
  }
}

struct Names {
  std::vector<std::string> strong;  // of several words
  std::vector<std::string> single;
};

// A single capitalised word is a name unless its place says otherwise.
bool is_single_name(const std::vector<Word>& words, size_t i) {
  const std::string_view w = words[i].text;
  if (one_of(w, kNoNames) || one_of(w, kCalendar)) return false;
  const std::string_view next = i + 1 < words.size() ? words[i + 1].text : std::string_view{};
  if (i == 0) return one_of(next, kVerbs);
  std::string before(words[i - 1].text);
  if (is_upper(before[0])) before[0] = static_cast<char>(before[0] | 32);
  const bool determiner = before == "which" || before == "what" || before == "a" || before == "an";
  return !determiner || next.empty();  // "which German city": no name
}

Names names_of(const std::vector<Word>& words) {
  Names names;
  for (size_t i = 0; i < words.size();) {
    const std::string_view w = words[i].text;
    const bool opens = is_capitalized(w) && !(one_of(w, kNoNames) && (i == 0 || w == "I")) && !is_identifier(w);
    if (!opens) {
      ++i;
      continue;
    }
    size_t last = i;
    while (!words[last].name_ends && last + 1 < words.size()) {
      size_t next = last + 1;
      while (next < words.size() && one_of(words[next].text, kJoins) && !words[next].name_ends) ++next;
      if (next >= words.size() || !is_capitalized(words[next].text) || words[next].text == "I") break;
      last = next;
    }
    if (last > i) {
      std::string name(w);
      for (size_t k = i + 1; k <= last; ++k) {
        const bool initial = words[k - 1].text.size() == 1 && is_upper(words[k - 1].text[0]);
        name += (initial ? ". " : " ") + std::string(words[k].text);
      }
      add(names.strong, name);
    } else if (is_single_name(words, i)) {
      add(names.single, w);
    }
    i = last + 1;
  }
  return names;
}

}  // namespace

std::vector<std::string> question_subjects(std::string_view question) {
  const std::string text = normalized(question);
  const std::vector<Word> words = words_of(text);
  const Names names = names_of(words);
  std::vector<std::string> strong;
  add_quoted(text, strong);
  for (const Word& w : words) {
    if (is_identifier(w.text)) add(strong, w.text);
  }
  for (const std::string& name : names.strong) {
    const bool quoted =
        std::any_of(strong.begin(), strong.end(), [&](const std::string& s) { return find_words(s, name) != npos; });
    if (!quoted) add(strong, name);
  }
  if (!strong.empty()) return strong;
  if (!names.single.empty()) return names.single;
  std::vector<std::string> numbers;
  for (const Word& w : words) {
    if (is_long_number(w.text)) add(numbers, w.text);
  }
  return numbers;
}

bool names_subject(std::string_view text, std::string_view subject) {
  const std::string_view bare = bare_value(subject);
  if (find_words_any_initial(text, bare) != npos) return true;
  const size_t space = bare.find(' ');
  if (space == npos || bare.find(' ', space + 1) != npos) return false;
  const std::string first(bare.substr(0, space));
  const std::string last(bare.substr(space + 1));
  if (find_words(text, last + ", " + first) != npos) return true;
  for (size_t at = find_words(text, first); at != npos; at = find_words(text, first, at + 1)) {
    const std::string_view rest = text.substr(at + first.size());
    if (rest.size() > 4 && rest[0] == ' ' && is_upper(rest[1]) && rest[2] == '.' && rest[3] == ' ' &&
        find_words(rest, last) == 4) {
      return true;
    }
  }
  return false;
}

}  // namespace kedge::router
