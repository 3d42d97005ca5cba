// Finds the citations in the text of an answer.
#include <algorithm>
#include <array>

#include "router/citation.h"

namespace kedge::router {

namespace {

constexpr size_t npos = std::string_view::npos;
constexpr size_t kMaxId = 128;
constexpr int kLoneQuoteWords = 4;  // fewer words in quotation marks may be a title or irony

struct Marks {
  std::string_view open;
  std::string_view close;
};
constexpr std::array<Marks, 8> kMarks = {{{"\"", "\""},
                                          {"\u201c", "\u201d"},
                                          {"\u201e", "\u201c"},
                                          {"\u201e", "\u201d"},
                                          {"\u00ab", "\u00bb"},
                                          {"\u2018", "\u2019"},
                                          {"\u00bb", "\u00ab"},
                                          {"\u201d", "\u201d"}}};

std::string_view trimmed(std::string_view s) {
  const size_t first = s.find_first_not_of(" \t\r\n");
  if (first == npos) return {};
  return s.substr(first, s.find_last_not_of(" \t\r\n") + 1 - first);
}

bool is_alnum(char c) { return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'); }

// value<|ref|>source "quote"; value<|ref|>...
Citation marked_citation(std::string_view value, std::string_view source) {
  Citation c{.value = std::string(trimmed(value)), .marked = true};
  source = trimmed(source);
  constexpr std::array<Marks, 3> kAround = {{{"[", "]"}, {"(", ")"}, {"`", "`"}}};
  std::string_view rest;
  for (const auto& [open, close] : kAround) {
    if (!source.starts_with(open)) continue;
    const size_t end = source.find(close, 1);
    c.id = std::string(trimmed(source.substr(1, end == npos ? npos : end - 1)));
    rest = end == npos ? std::string_view{} : trimmed(source.substr(end + 1));
    break;
  }
  if (c.id.empty() && rest.empty()) {
    const size_t quote = source.find('"');
    c.id = std::string(trimmed(source.substr(0, quote)));
    rest = quote == npos ? std::string_view{} : source.substr(quote);
  }
  for (const auto& [open, close] : kMarks) {
    if (!rest.starts_with(open)) continue;
    rest.remove_prefix(open.size());
    const size_t end = rest.rfind(close);  // quotation marks inside belong to the quotation
    if (end == npos && open != close && rest.find(kMarks[1].close) != npos) continue;
    c.quote = std::string(trimmed(rest.substr(0, end)));
    break;
  }
  return c;
}

ParsedAnswer parse_marked(std::string_view answer) {
  ParsedAnswer parsed;
  size_t value_begin = 0;
  for (size_t ref = answer.find(kRefToken); ref != npos;) {
    const size_t source = ref + kRefToken.size();
    const size_t next = answer.find(kRefToken, source);
    // The next value begins behind the last semicolon before its mark.
    size_t end = answer.size();
    size_t next_value = end;
    if (next != npos) {
      const size_t semicolon = answer.rfind("; ", next);
      end = semicolon == npos || semicolon < source ? next : semicolon;
      next_value = end == next ? next : end + 2;
    }
    parsed.citations.push_back(
        marked_citation(answer.substr(value_begin, ref - value_begin), answer.substr(source, end - source)));
    value_begin = next_value;
    ref = next;
  }
  parsed.value = parsed.citations.front().value;
  return parsed;
}

bool is_known(std::string_view id, std::span<const Evidence> evidence) {
  return std::any_of(evidence.begin(), evidence.end(), [&](const Evidence& e) { return e.id == id; });
}

// A digit, no spaces, no signs of a formula.
bool looks_like_id(std::string_view s) {
  if (s.empty() || s.size() > kMaxId || std::none_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return false;
  }
  return std::all_of(s.begin(), s.end(),
                     [](char c) { return is_alnum(c) || std::string_view("-_./:#").find(c) != npos; });
}

struct Piece {
  size_t begin = 0;
  size_t end = 0;
  std::string_view text;  // between the marks
};

// The ids in brackets at answer[i] == '['; several are separated by commas or semicolons. Empty: no citation.
std::vector<Piece> bracket_at(std::string_view answer, size_t i, std::span<const Evidence> evidence) {
  const size_t end = answer.find(']', i);
  if (end == npos || end - i > 8 * kMaxId) return {};
  const std::string_view inside = answer.substr(i + 1, end - i - 1);
  if (is_known(trimmed(inside), evidence)) return {{i, end + 1, trimmed(inside)}};
  if (end + 1 < answer.size() && answer[end + 1] == '(') return {};  // a link
  std::vector<Piece> pieces;
  for (size_t at = 0; at <= inside.size();) {
    const size_t comma = std::min(inside.find_first_of(",;", at), inside.size());
    const std::string_view id = trimmed(inside.substr(at, comma - at));
    if (!is_known(id, evidence) && !looks_like_id(id)) return {};
    pieces.push_back({i, end + 1, id});
    at = comma + 1;
  }
  return pieces;
}

// The quotation that opens at answer[i], if one does.
std::optional<Piece> quote_at(std::string_view answer, size_t i) {
  for (const auto& [open, close] : kMarks) {
    if (answer.substr(i, open.size()) != open) continue;
    if (open == "\"" && i > 0 && is_alnum(answer[i - 1])) return std::nullopt;  // inches, or a closing mark
    size_t end = answer.find(close, i + open.size());
    // An apostrophe is no closing mark.
    while (end != npos && close == "\u2019" && end + 3 < answer.size() && is_alnum(answer[end + 3])) {
      end = answer.find(close, end + 3);
    }
    if (end == npos) continue;
    return Piece{i, end + close.size(), trimmed(answer.substr(i + open.size(), end - i - open.size()))};
  }
  return std::nullopt;
}

// Whether only punctuation stands between a quotation and its source.
bool adjacent(std::string_view between) {
  return between.size() <= 4 && between.find_first_not_of(" ,:.;-\n\t(") == npos;
}

int count_words(std::string_view s) { return static_cast<int>(std::count(s.begin(), s.end(), ' ')) + 1; }

ParsedAnswer parse_free(std::string_view answer, std::span<const Evidence> evidence) {
  std::vector<Piece> quotes;
  std::vector<std::vector<Piece>> brackets;
  for (size_t i = 0; i < answer.size();) {
    if (answer[i] == '[') {
      auto ids = bracket_at(answer, i, evidence);
      if (!ids.empty()) {
        i = ids.front().end;
        brackets.push_back(std::move(ids));
        continue;
      }
    } else if (auto quote = quote_at(answer, i)) {
      i = quote->end;
      quotes.push_back(*quote);
      continue;
    }
    ++i;
  }
  ParsedAnswer parsed;
  std::vector<bool> used(quotes.size());
  size_t claim_begin = 0;
  for (const auto& ids : brackets) {
    const size_t begin = ids.front().begin;
    const size_t end = ids.front().end;
    std::string_view quote;
    size_t claim_end = begin;
    size_t next_claim = end;
    for (size_t q = 0; q < quotes.size(); ++q) {
      const bool before = quotes[q].end <= begin && adjacent(answer.substr(quotes[q].end, begin - quotes[q].end));
      const bool behind = quotes[q].begin >= end && adjacent(answer.substr(end, quotes[q].begin - end));
      if (used[q] || !(before || behind)) continue;
      quote = quotes[q].text;
      used[q] = true;
      (before ? claim_end : next_claim) = before ? quotes[q].begin : quotes[q].end;
      break;
    }
    const std::string_view claim = trimmed(answer.substr(claim_begin, std::max(claim_end, claim_begin) - claim_begin));
    for (const Piece& id : ids) {
      parsed.citations.push_back(
          {.value = std::string(claim), .id = std::string(id.text), .quote = std::string(quote)});
    }
    claim_begin = std::max(next_claim, claim_begin);
  }
  for (size_t q = 0; q < quotes.size(); ++q) {
    if (!used[q] && count_words(quotes[q].text) >= kLoneQuoteWords) {
      parsed.citations.push_back({.quote = std::string(quotes[q].text)});
    }
  }
  parsed.value = parsed.citations.empty() || parsed.citations.front().value.empty() ? std::string(trimmed(answer))
                                                                                    : parsed.citations.front().value;
  return parsed;
}

}  // namespace

ParsedAnswer parse_answer(std::string_view answer, std::span<const Evidence> evidence) {
  return answer.find(kRefToken) == npos ? parse_free(answer, evidence) : parse_marked(answer);
}

}  // namespace kedge::router
