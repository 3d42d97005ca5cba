#include "router/text_request.h"

#include <algorithm>
#include <array>

#include "router/courtesy.h"

namespace kedge::router {

namespace {

constexpr size_t npos = std::string_view::npos;
constexpr size_t kLongest = 4096;

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kMarks = {{{"\"", "\""},
                                                                                  {"\u201c", "\u201d"},
                                                                                  {"\u201e", "\u201c"},
                                                                                  {"\u201e", "\u201d"},
                                                                                  {"\u00ab", "\u00bb"},
                                                                                  {"\u2018", "\u2019"},
                                                                                  {"'", "'"}}};

std::string_view trimmed(std::string_view s) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = s.find_first_not_of(kSpace);
  if (first == npos) return {};
  return s.substr(first, s.find_last_not_of(kSpace) + 1 - first);
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// The words of an instruction; nothing when it has anything else in it.
std::optional<std::string> instruction(std::string_view text) {
  constexpr auto kLeftOut =
      std::to_array<std::string_view>({"the", "this", "these", "following", "given", "a", "an", "my", "all"});
  std::string words;
  for (size_t i = 0; i < text.size();) {
    if (is_space(text[i]) || text[i] == ',') {
      ++i;
      continue;
    }
    std::string word = next_word(text, i);
    if (word.empty()) return std::nullopt;
    if (std::find(kLeftOut.begin(), kLeftOut.end(), word) != kLeftOut.end()) continue;
    words += (words.empty() ? "" : " ") + word;
  }
  return words;
}

struct Quoted {
  size_t begin = 0;
  size_t end = 0;  // behind the closing mark
  std::string_view text;
};

// The first text in quotation marks; nothing when there is none, or more than one.
std::optional<Quoted> only_quoted(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    for (const auto& [open, close] : kMarks) {
      if (text.substr(i, open.size()) != open) continue;
      if (open == "'" && i > 0 && !is_space(text[i - 1]) && text[i - 1] != ':') continue;  // an apostrophe
      const size_t end = text.find(close, i + open.size());
      if (end == npos) continue;
      const size_t behind = end + close.size();
      for (const auto& [again, _] : kMarks) {
        if (text.find(again, behind) != npos || text.find(_, behind) != npos) return std::nullopt;
      }
      return Quoted{i, behind, text.substr(i + open.size(), end - i - open.size())};
    }
  }
  return std::nullopt;
}

std::string_view without_stops(std::string_view s) {
  while (!s.empty() && std::string_view(".?!").find(s.back()) != npos) s.remove_suffix(1);
  return trimmed(s);
}

}  // namespace

std::optional<TextRequest> parse_text_request(std::string_view question) {
  if (question.size() > kLongest) return std::nullopt;
  const Courtesy courtesy = without_courtesy(question);
  const std::string_view core = courtesy.core;
  const auto quoted = only_quoted(core);
  const size_t cut = core.find_first_of(":?");
  TextRequest request;
  if (quoted && (cut == npos || quoted->begin < cut || trimmed(core.substr(cut + 1)) == core.substr(quoted->begin))) {
    const size_t end = cut == npos || quoted->begin < cut ? quoted->begin : cut;
    const auto head = instruction(core.substr(0, end));
    const auto tail = instruction(without_stops(core.substr(quoted->end)));
    if (!head || !tail) return std::nullopt;
    request = {.head = *head, .tail = *tail, .payload = trimmed(quoted->text), .quoted = true};
  } else {
    if (cut == npos) return std::nullopt;
    const auto head = instruction(core.substr(0, cut));
    if (!head) return std::nullopt;
    request = {
        .head = *head, .tail = {}, .payload = trimmed(core.substr(cut + 1)), .courtesy = !courtesy.behind.empty()};
  }
  if (request.head.empty() || request.payload.empty()) return std::nullopt;
  request.stop = std::string_view(".?!").find(core.back()) != npos;
  const std::string_view behind = courtesy.behind;
  request.capital = behind.find(' ') != npos && behind[0] >= 'A' && behind[0] <= 'Z';
  return request;
}

std::optional<TextRequest> parse_last_word_request(std::string_view question) {
  if (question.size() > kLongest) return std::nullopt;
  const std::string_view core = without_stops(without_courtesy(question).core);
  const size_t space = core.find_last_of(" \t\r\n");
  if (space == npos || !is_ascii_word(core.substr(space + 1))) return std::nullopt;
  const auto head = instruction(core.substr(0, space));
  if (!head || head->empty()) return std::nullopt;
  // "the alphabet", "this sentence": what the word means, not the word.
  const std::string_view before = core.substr(0, space);
  const size_t last = before.find_last_of(" \t\r\n");
  const auto article = instruction(before.substr(last == npos ? 0 : last + 1));
  if (!article || article->empty()) return std::nullopt;
  return TextRequest{.head = *head, .tail = {}, .payload = core.substr(space + 1)};
}

std::optional<std::vector<std::string>> list_items(const TextRequest& request) {
  if (request.unclear_list() || !request.tail.empty()) return std::nullopt;
  const std::string_view text = without_stops(request.payload);
  std::vector<std::string> items;
  for (size_t i = 0; i <= text.size();) {
    const size_t comma = std::min(text.find(',', i), text.size());
    // 1,200 may be one item.
    const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (comma > 0 && digit(comma - 1) && digit(comma + 1)) return std::nullopt;
    std::string_view item = trimmed(text.substr(i, comma - i));
    const bool last = comma == text.size();
    const size_t join = last ? item.find(" and ") : npos;
    if (last && item.starts_with("and ")) item = trimmed(item.substr(4));
    if (join != npos) {
      items.emplace_back(trimmed(item.substr(0, join)));
      item = trimmed(item.substr(join + 5));
    }
    items.emplace_back(item);
    i = comma + 1;
  }
  const bool clear = std::all_of(items.begin(), items.end(), [](const std::string& item) {
    return !item.empty() && item.find_first_of(";:!?\"'`()[]{}|/\n") == npos && !item.ends_with('.') &&
           item.find(" and ") == npos && item.find(". ") == npos;
  });
  if (items.size() < 2 || !clear) return std::nullopt;
  return items;
}

std::string joined(const std::vector<std::string>& items, std::string_view between) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : std::string(between)) + item;
  return text;
}

bool is_ascii_word(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; });
}

}  // namespace kedge::router
