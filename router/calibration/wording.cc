#include "router/calibration/wording.h"

#include <utf8proc.h>

#include <algorithm>

namespace kedge::router {
namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kStops = ".,;:?!";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Words and the stops behind them.
std::vector<std::string_view> tokens_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = text.find_first_not_of(kSpace); at < text.size(); at = text.find_first_not_of(kSpace, at)) {
    const size_t end = std::min(text.find_first_of(kSpace, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    const size_t last = word.find_last_not_of(kStops);
    const size_t body = last == std::string_view::npos ? 0 : last + 1;
    if (body > 0) out.push_back(word.substr(0, body));
    for (size_t i = body; i < word.size(); ++i) out.push_back(word.substr(i, 1));
    at = end;
  }
  return out;
}

}  // namespace

bool begins_upper(std::string_view word) {
  utf8proc_int32_t c = 0;
  const auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(word.data()),
                                  static_cast<utf8proc_ssize_t>(word.size()), &c);
  return n > 0 && utf8proc_category(c) == UTF8PROC_CATEGORY_LU;
}

std::string_view asked_part(std::string_view message) {
  constexpr std::string_view kQuestion = "Question: ";
  const size_t passages = message.rfind("<|doc|>");
  const bool proposes = message.starts_with(kQuestion) && message.find("\nProposed answer:") != std::string_view::npos;
  if (passages == std::string_view::npos && !proposes) return message;
  const size_t at = message.find(kQuestion, proposes ? 0 : passages);
  return at == std::string_view::npos ? message : message.substr(at + kQuestion.size());
}

size_t brought_text(std::string_view question) {
  const size_t mark = question.find_first_of(":?");
  return mark == std::string_view::npos ? mark : question.find_first_not_of(kSpace, mark + 1);
}

std::string_view opening_word(std::string_view question) {
  const auto tokens = tokens_of(question.substr(0, brought_text(question)));
  return tokens.empty() || !begins_upper(tokens[0]) ? std::string_view() : tokens[0];
}

std::vector<std::string> wording_pairs(std::string_view question, std::span<const std::string> openers) {
  const size_t brought = brought_text(question);
  std::string before = "^";
  std::vector<std::string> pairs;
  const auto add = [&](std::string token) {
    if (token == "@" && before == "@") return;
    pairs.push_back(before + " " + token);
    before = std::move(token);
  };
  bool first = true;
  for (const std::string_view token : tokens_of(question.substr(0, brought))) {
    const bool opens = first && std::binary_search(openers.begin(), openers.end(), token);
    first = false;
    if (std::any_of(token.begin(), token.end(), is_digit)) {
      add("#");
    } else {
      add(begins_upper(token) && !opens ? "@" : std::string(token));
    }
  }
  add(brought == std::string_view::npos ? "$" : ">");
  return pairs;
}

}  // namespace kedge::router
