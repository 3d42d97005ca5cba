#include "router/reader/super_sub.h"

#include <algorithm>
#include <string_view>

#include "router/retrieval/text_clean.h"

namespace kedge::router::retrieval {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_letter(char c) { return is_upper(c) || (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80; }

template <class Test>
bool all(std::string_view text, Test test) {
  return !text.empty() && std::all_of(text.begin(), text.end(), test);
}

bool is_in(std::string_view list, std::string_view word) {
  return list.find(" " + std::string(word) + " ") != std::string_view::npos;
}

// The letters or the digits that the text ends in.
std::string_view last_run(std::string_view text) {
  size_t begin = text.size();
  const bool digits = !text.empty() && is_digit(text.back());
  while (begin > 0 && (digits ? is_digit(text[begin - 1]) : is_letter(text[begin - 1]))) --begin;
  return text.substr(begin);
}

// "st", "nd", "e", "ème" behind a number; "me", "r", "o" behind the beginning of a word.
constexpr std::string_view kOrdinals = " a as d de e em eme er ers es nd nde o os rd re res st te th ª º ème è ère ";
// Units and variables, which have powers; longer words have notes.
constexpr std::string_view kUnits = " mm cm dm km nm µm μm um mi ft in yd ha sec min kg ms hz log ln sin cos tan exp ";

std::string_view between(std::string_view before, std::string_view raised, bool note) {
  const char last = before.back();
  const std::string_view run = last_run(before);
  // Notes may be several: "1,2".
  const bool number = is_digit(raised[0]) && all(raised, [](char c) { return is_digit(c) || c == ',' || c == ' '; });
  if (is_digit(last)) {
    if (is_in(kOrdinals, raised)) return "";
    return note && number ? "[" : "^";
  }
  if (!is_letter(last)) {
    const bool closing = last == ')' || last == ']' || last == '}' || last == '|';
    return closing && !note ? "^" : number ? "[" : "";
  }
  if (all(raised, is_letter)) {
    // "Mme" and "Dr" are abbreviations, "x^n" is a power.
    const bool variable = run.size() == 1 && raised.size() == 1 && !is_upper(run[0]) && raised != "o";
    return variable ? "^" : "";
  }
  if (number && (note || (run.size() > 2 && !is_in(kUnits, run)))) return "[";
  return "^";
}

bool is_trade_mark(std::string_view text) { return text == "TM" || text == "SM"; }

// Replaces the line from `begin` on.
void put(std::string& line, size_t begin, std::string_view mark, const std::string& text) {
  line.resize(begin);
  if (mark == "[") {
    line += "[" + text + "]";
    return;
  }
  line += mark;
  const bool one =
      std::none_of(text.begin(), text.end(), [](char c) { return c == ' ' || c == '+' || c == '*' || c == '/'; });
  line += mark.empty() || one || (text.size() > 1 && is_digit(text[0]) && text.size() <= 3) ? text : "(" + text + ")";
}

}  // namespace

void mark_super(std::string& line, const SuperSub& raised) {
  const std::string text(trim(std::string_view(line).substr(raised.begin)));
  const std::string_view before = std::string_view(line).substr(0, raised.begin);
  if (text.empty() || before.empty() || before.back() == ' ' || before.back() == '\n' || before.back() == '(') return;
  if (text[0] == '[' || text[0] == '(' || text[0] == '^' ||
      !(is_letter(text[0]) || is_digit(text[0]) || text[0] == '-' || text[0] == '+')) {
    return;
  }
  if (is_trade_mark(text) && is_letter(before.back())) return put(line, raised.begin, "", text == "TM" ? "™" : "℠");
  put(line, raised.begin, between(before, text, raised.note), text);
}

void mark_sub(std::string& line, const SuperSub& lowered) {
  const std::string text(trim(std::string_view(line).substr(lowered.begin)));
  const std::string_view before = std::string_view(line).substr(0, lowered.begin);
  if (text.empty() || before.empty() || !(is_letter(before.back()) || is_digit(before.back()))) return;
  const std::string_view run = last_run(before);
  const bool formula = is_letter(before.back()) && is_upper(run[0]) && run.size() <= 4 && is_digit(text[0]);
  put(line, lowered.begin, formula ? "" : "_", text);
}

}  // namespace kedge::router::retrieval
