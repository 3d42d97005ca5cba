#include "tools/reword.h"

#include <array>
#include <cstdint>

namespace kedge::tools {

namespace {

constexpr std::array<std::string_view, 5> kHeldOut = {"tell", "polite", "lower", "joined", "bare"};
constexpr std::array<std::string_view, 8> kFit = {"hello", "thanks", "shout", "unstopped",
                                                  "typo",  "spaced", "need",  "short"};

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_operator(char c) { return c == '+' || c == '-' || c == '*' || c == '/'; }

struct Parts {
  std::string asked;
  std::string brought;  // with the space before it
};

Parts parts_of(const std::string& question) {
  const size_t mark = question.find_first_of(":?");
  if (mark == std::string::npos || question.find_first_not_of(' ', mark + 1) == std::string::npos) {
    return {question, ""};
  }
  return {question.substr(0, mark + 1), question.substr(mark + 1)};
}

std::string with_case(std::string text, bool upper) {
  for (char& c : text) {
    if (upper ? is_lower(c) : is_upper(c)) c = static_cast<char>(c ^ 0x20);
  }
  return text;
}

std::string without_stop(std::string text) {
  while (!text.empty() && (text.back() == '?' || text.back() == '.')) text.pop_back();
  return text;
}

std::string without_capital(std::string text) {
  if (text.size() > 1 && is_upper(text[0]) && is_lower(text[1])) text[0] = static_cast<char>(text[0] | 0x20);
  return text;
}

// Two letters in the middle of the longest small word change places.
std::string with_typo(std::string text) {
  size_t best = 0;
  size_t length = 0;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && is_lower(text[end])) ++end;
    if (end - i > length && (i == 0 || !is_upper(text[i - 1]))) {
      best = i;
      length = end - i;
    }
    i = end > i ? end : i + 1;
  }
  if (length >= 4) std::swap(text[best + length / 2], text[best + length / 2 - 1]);
  return text;
}

std::string spaced(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == ' ' ? std::string("  ") : std::string(1, c);
  return out;
}

// The part from the first digit to the last that is digits, operators and spaces; empty: there is no sum.
std::string sum_of(const std::string& text) {
  const size_t begin = text.find_first_of("0123456789");
  const size_t end = text.find_last_of("0123456789");
  if (begin == std::string::npos) return {};
  const std::string sum = text.substr(begin, end - begin + 1);
  bool operates = false;
  for (const char c : sum) {
    if (!is_digit(c) && !is_operator(c) && c != ' ') return {};
    operates = operates || is_operator(c);
  }
  return operates ? sum : std::string();
}

std::string joined(std::string text) {
  const std::string sum = sum_of(text);
  if (sum.empty()) return text;
  std::string tight;
  for (const char c : sum) {
    if (c != ' ') tight += c;
  }
  return text.replace(text.find(sum), sum.size(), tight);
}

}  // namespace

std::span<const std::string_view> heldout_rewordings() { return kHeldOut; }
std::span<const std::string_view> fit_rewordings() { return kFit; }

std::string reworded(const std::string& question, std::string_view kind) {
  const auto [asked, brought] = parts_of(question);
  if (kind == "tell") return "Please tell me: " + question;
  if (kind == "polite") return "Hello, I would like to ask you something. " + question + " Thank you very much!";
  if (kind == "lower") return with_case(asked, false) + brought;
  if (kind == "joined") return joined(asked) + brought;
  if (kind == "bare") return sum_of(asked).empty() ? question : sum_of(asked);
  if (kind == "hello") return "Hi! " + question;
  if (kind == "thanks") return question + " Thanks.";
  if (kind == "shout") return with_case(asked, true) + brought;
  if (kind == "unstopped") return brought.empty() ? without_stop(question) : question;
  if (kind == "typo") return with_typo(asked) + brought;
  if (kind == "spaced") return spaced(asked) + brought;
  if (kind == "need") return "I need to know " + without_capital(question);
  if (kind == "short") return question + " Answer in one word.";
  return question;
}

}  // namespace kedge::tools
