#include "router/courtesy.h"

#include <array>
#include <string>

namespace kedge::router {

namespace {

constexpr size_t npos = std::string_view::npos;

// Without apostrophes. Longer ones stand before those they begin with.
constexpr auto kBefore = std::to_array<std::string_view>({"please",
                                                          "kindly",
                                                          "hello there",
                                                          "hello",
                                                          "hi there",
                                                          "hi all",
                                                          "hi",
                                                          "hey there",
                                                          "hey",
                                                          "good morning",
                                                          "good afternoon",
                                                          "good evening",
                                                          "good day",
                                                          "greetings",
                                                          "excuse me",
                                                          "sorry to bother you",
                                                          "sorry",
                                                          "dear",
                                                          "assistant",
                                                          "kedge",
                                                          "friend",
                                                          "sir",
                                                          "madam",
                                                          "so",
                                                          "okay",
                                                          "ok",
                                                          "well",
                                                          "now",
                                                          "just",
                                                          "quickly",
                                                          "quick question",
                                                          "simple question",
                                                          "short question",
                                                          "a question",
                                                          "one question",
                                                          "another question",
                                                          "one more question",
                                                          "next question",
                                                          "my question is",
                                                          "my question",
                                                          "the question is",
                                                          "here is my question",
                                                          "heres my question",
                                                          "here is a question",
                                                          "heres a question",
                                                          "this is my question",
                                                          "question",
                                                          "q",
                                                          "i have a quick question for you",
                                                          "i have a question for you",
                                                          "i have a quick question",
                                                          "i have a question",
                                                          "i have one question",
                                                          "ive got a question",
                                                          "i got a question",
                                                          "can you",
                                                          "could you",
                                                          "would you",
                                                          "will you",
                                                          "tell us",
                                                          "tell me",
                                                          "let me know",
                                                          "give me the answer to",
                                                          "give me the result of",
                                                          "answer the following question",
                                                          "answer the following",
                                                          "answer this question",
                                                          "answer my question",
                                                          "answer with just the number",
                                                          "answer with only the number",
                                                          "answer with the number only",
                                                          "answer this",
                                                          "answer me",
                                                          "help me with this",
                                                          "help me with a question",
                                                          "help me out",
                                                          "help me",
                                                          "i need some help with this",
                                                          "i need help with this",
                                                          "i need your help",
                                                          "i need some help",
                                                          "i need help",
                                                          "i would like to know",
                                                          "id like to know",
                                                          "i want to know",
                                                          "i need to know",
                                                          "i would love to know",
                                                          "id love to know",
                                                          "i would like to ask",
                                                          "id like to ask",
                                                          "i wonder",
                                                          "i was wondering",
                                                          "i am wondering",
                                                          "im wondering",
                                                          "i am curious",
                                                          "im curious",
                                                          "do you know",
                                                          "do you happen to know",
                                                          "would you mind telling me",
                                                          "would you be so kind as to tell me",
                                                          "would you be so kind to tell me",
                                                          "if you dont mind",
                                                          "if you can",
                                                          "if possible",
                                                          "maybe",
                                                          "perhaps",
                                                          "thank you in advance",
                                                          "thanks in advance",
                                                          "i hope you are well",
                                                          "i hope youre well",
                                                          "how are you",
                                                          "i would be grateful if you could tell me",
                                                          "id be grateful if you could tell me",
                                                          "i would appreciate it if you could tell me"});
constexpr auto kAsks =
    std::to_array<std::string_view>({"can you", "could you", "would you", "will you", "tell me", "tell us",
                                     "let me know", "i would like to know", "id like to know", "i want to know"});
constexpr auto kBehind = std::to_array<std::string_view>({"please",
                                                          "many thanks in advance",
                                                          "many thanks",
                                                          "thanks in advance",
                                                          "thanks a lot",
                                                          "thanks so much",
                                                          "thanks for your help",
                                                          "thanks",
                                                          "thank you very much in advance",
                                                          "thank you very much",
                                                          "thank you so much",
                                                          "thank you in advance",
                                                          "thank you for your help",
                                                          "thank you kindly",
                                                          "thank you",
                                                          "thx",
                                                          "ty",
                                                          "cheers",
                                                          "kind regards",
                                                          "best regards",
                                                          "regards",
                                                          "i would be grateful",
                                                          "i would appreciate it",
                                                          "i appreciate it",
                                                          "i appreciate your help",
                                                          "that would be great",
                                                          "that would be very kind",
                                                          "that would be nice",
                                                          "that would help me a lot",
                                                          "for me",
                                                          "answer with just the number",
                                                          "answer with only the number",
                                                          "answer with the number only",
                                                          "give only the number",
                                                          "give just the number",
                                                          "just the number",
                                                          "only the number",
                                                          "i need it for my homework",
                                                          "its for my homework",
                                                          "it is for my homework",
                                                          "i need this for my homework",
                                                          "it is urgent",
                                                          "its urgent",
                                                          "can you tell me",
                                                          "could you tell me",
                                                          "do you know",
                                                          "can you help me",
                                                          "could you help me",
                                                          "can you help",
                                                          "have a nice day",
                                                          "have a good day",
                                                          "take your time"});

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void skip(std::string_view text, size_t& at, std::string_view what) {
  while (at < text.size() && what.find(text[at]) != npos) ++at;
}

// Whether the words of `phrase` stand at `at`, with nothing but spaces and commas between; moves `at` behind them.
bool takes(std::string_view text, size_t& at, std::string_view phrase) {
  size_t end = at;
  for (size_t i = 0; i < phrase.size();) {
    const size_t space = std::min(phrase.find(' ', i), phrase.size());
    skip(text, end, i == 0 ? "" : " \t\r\n,");
    if (next_word(text, end) != phrase.substr(i, space - i)) return false;
    i = space + 1;
  }
  // "hi-fi", "q1": the word goes on.
  if (end < text.size() && (text[end] == '-' || text[end] == '_' || (text[end] >= '0' && text[end] <= '9'))) {
    return false;
  }
  at = end;
  return true;
}

template <size_t N>
std::string_view taken(std::string_view text, size_t& at, const std::array<std::string_view, N>& phrases) {
  size_t end = at;
  const std::string first = next_word(text, end);
  for (const std::string_view phrase : phrases) {
    if (phrase.starts_with(first) && takes(text, at, phrase)) return phrase;
  }
  return {};
}

std::string_view trimmed(std::string_view s) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = s.find_first_not_of(kSpace);
  if (first == npos) return {};
  return s.substr(first, s.find_last_not_of(kSpace) + 1 - first);
}

// Where the courtesies at the end begin.
size_t end_of_core(std::string_view text, size_t begin) {
  constexpr size_t kLongest = 240;  // bytes looked at: longer ones are no courtesies
  size_t start = text.size() > begin + kLongest ? text.size() - kLongest : begin;
  for (; start < text.size(); ++start) {
    const bool word_begins = is_letter(text[start]) && start > begin && !is_letter(text[start - 1]) &&
                             std::string_view(" \t\r\n,.;:!?").find(text[start - 1]) != npos;
    if (!word_begins) continue;
    size_t at = start;
    while (at < text.size() && !taken(text, at, kBehind).empty()) skip(text, at, " \t\r\n,.;:!?");
    if (at == text.size()) return start;
  }
  return text.size();
}

}  // namespace

std::string next_word(std::string_view text, size_t& at) {
  std::string word;
  size_t end = at;
  while (end < text.size()) {
    if (is_letter(text[end])) {
      word += static_cast<char>(text[end] | 32);
      ++end;
    } else if (text[end] == '\'' && !word.empty()) {
      ++end;
    } else if (!word.empty() && text.substr(end, 3) == "\u2019") {
      end += 3;
    } else {
      break;
    }
  }
  if (!word.empty()) at = end;
  return word;
}

Courtesy without_courtesy(std::string_view question) {
  const std::string_view text = trimmed(question);
  Courtesy c;
  size_t at = 0;
  while (at < text.size()) {
    const std::string_view phrase = taken(text, at, kBefore);
    if (phrase.empty()) break;
    for (const std::string_view asks : kAsks) c.asks = c.asks || phrase == asks;
    size_t next = at;
    skip(text, next, " \t\r\n,.;:!?");
    // A dash between the courtesy and the question; that of a negative number stands before it without a blank.
    for (const std::string_view dash : {"- ", "\u2013 ", "\u2014 "}) {
      if (text.substr(next).starts_with(dash)) next += dash.size();
    }
    at = next;
  }
  if (at >= text.size()) return {.core = text, .behind = {}, .asks = false};
  const size_t end = end_of_core(text, at);
  c.core = trimmed(text.substr(at, end - at));
  c.behind = text.substr(end);
  while (!c.behind.empty() && c.core.ends_with(',')) c.core = trimmed(c.core.substr(0, c.core.size() - 1));
  return c;
}

}  // namespace kedge::router
