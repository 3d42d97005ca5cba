#include "memory/anchors/statements.h"

#include <algorithm>

#include "memory/anchors/bytes.h"

namespace kedge::memory::anchors {
namespace {

enum class Answer { kNo, kYes, kUnknown };

constexpr size_t kMaxGroup = 100;  // of a parenthesised group that is looked ahead at
constexpr size_t kMaxIndent = 32;
constexpr size_t kMaxGap = 8;        // blanks between two sentences
constexpr size_t kMaxHeadWord = 24;  // of a line's first word

// The text from the first byte of a statement on.
struct View {
  std::string_view text;
  bool at_end;
  bool unknown_at(size_t i) const { return i >= text.size() && !at_end; }
};

// The group "(...)" at i on one line: *end is one behind it.
Answer group_at(const View& v, size_t i, size_t* end) {
  if (at(v.text, i) != '(') return Answer::kNo;
  for (size_t j = i + 1; j <= i + kMaxGroup; ++j) {
    if (v.unknown_at(j)) return Answer::kUnknown;
    const char c = at(v.text, j);
    if (c == '\0' || c == '\n' || c == '(') return Answer::kNo;
    if (c == ')') {
      *end = j + 1;
      return Answer::kYes;
    }
  }
  return Answer::kNo;
}

// The word before the full stop at i is cut short, so that the stop ends no sentence. `next` is the first byte of the
// next word: "No. 7" is cut short, "No. Then" is not.
bool is_abbreviation(std::string_view s, size_t i, char next) {
  constexpr std::string_view kAlways[] = {"Mr",     "Mrs", "Ms",  "Dr", "Prof", "St",   "vs",  "al",  "cf",  "eds",
                                          "approx", "Gen", "Col", "Lt", "Sgt",  "Capt", "Rev", "Hon", "viz", "resp"};
  constexpr std::string_view kBeforeNumber[] = {
      "No",   "Nos", "no",  "nos",  "Fig", "Figs", "fig", "figs", "Eq",   "Eqs", "eq",   "eqs",  "Sec",    "sec",
      "Vol",  "vol", "Art", "art",  "pp",  "ch",   "Ch",  "Ref",  "ref",  "Tab", "tab",  "App",  "ed",     "Reg",
      "para", "Nr",  "Abs", "Abb",  "Kap", "Ziff", "Tel", "tel",  "Fax",  "Bd",  "Sect", "Chap", "Abschn", "Buchst",
      "Rn",   "Rz",  "Anm", "Thm",  "Def", "Ex",   "cap", "Cap",  "Aufl", "Alg", "Prop", "Lem",  "Jan",    "Feb",
      "Mar",  "Apr", "Aug", "Sept", "Sep", "Oct",  "Nov", "Dec",  "Okt",  "Dez"};
  const size_t w = word_begin(s, i);
  const std::string_view word = s.substr(w, i - w);
  if (word.empty()) return false;
  // "1." before the text of a list's item, "5.6.27." and "A.1." before a heading's.
  size_t number = 0;
  while (number < i && (is_digit(s[number]) || (s[number] == '.' && number > 0 && is_alnum(s[number - 1])))) ++number;
  if (number == 0 && is_upper(s[0]) && at(s, 1) == '.') {
    number = 2;
    while (number < i && (is_digit(s[number]) || s[number] == '.')) ++number;
  }
  if (number == i && i <= 16 && (w > 0 || word.size() <= 3)) return true;
  if (word.size() == 1) {
    const char before = w == 0 ? ' ' : s[w - 1];
    if (is_upper(word[0])) return is_space(before) || before == '.' || before == '(';
    if (before == '.') return word[0] != 'm';  // "e.g.", but "5 p.m."
    return is_space(before) &&
           (word[0] == 'v' || ((word[0] == 'p' || word[0] == 'c' || word[0] == 's') && is_digit(next)));
  }
  if (next == '(' && to_lower(word[0]) == 'e' && word.substr(1, 1) == "q") return true;  // Eq. (4)
  return is_one_of(word, kAlways) || (is_digit(next) && is_one_of(word, kBeforeNumber));
}

// "3. März": the number before the stop at i is a day, and a month begins at k.
Answer is_day(const View& v, size_t i, size_t k) {
  constexpr std::string_view kMonths[] = {"Januar", "Februar", "M\xc3\xa4rz", "April",   "Mai",      "Juni",
                                          "Juli",   "August",  "September",   "Oktober", "November", "Dezember"};
  const size_t w = word_begin(v.text, i);
  if (i < w + 1 || i > w + 2 || digits_end(v.text, w) != i) return Answer::kNo;
  size_t e = k;
  while (e < k + 10 && is_word(at(v.text, e))) ++e;
  if (e < k + 10 && v.unknown_at(e)) return Answer::kUnknown;
  return is_one_of(v.text.substr(k, e - k), kMonths) ? Answer::kYes : Answer::kNo;
}

// Quotation marks, brackets and footnote numbers that belong to the sentence whose stop is before i.
Answer skip_closers(const View& v, size_t* i) {
  for (int n = 0; n < 4; ++n) {
    if (v.unknown_at(*i)) return Answer::kUnknown;
    const char c = at(v.text, *i);
    if (c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == '*') {
      ++*i;
    } else if (c == '\xe2') {  // U+2019, U+201D
      if (v.unknown_at(*i + 2)) return Answer::kUnknown;
      if (!has_at(v.text, *i, "\xe2\x80\x99") && !has_at(v.text, *i, "\xe2\x80\x9d")) return Answer::kYes;
      *i += 3;
    } else if (c == '[') {
      size_t j = *i + 1;
      while (j < *i + 5 && is_digit(at(v.text, j))) ++j;
      if (v.unknown_at(j)) return Answer::kUnknown;
      if (j == *i + 1 || at(v.text, j) != ']') return Answer::kYes;
      *i = j + 1;
    } else {
      return Answer::kYes;
    }
  }
  return Answer::kYes;
}

// A group behind a stop belongs to the sentence before it when it ends like a citation and no sentence goes on behind:
// "It melts. (Smith, 1990) Then" against "It melts. (Smith, 1990) reports that".
Answer trailing_citation(const View& v, size_t i, size_t* end) {
  size_t close = 0;
  const Answer group = group_at(v, i, &close);
  if (group != Answer::kYes) return group;
  const char last = v.text[close - 2];
  if (!is_digit(last) && !(is_lower(last) && is_digit(v.text[close - 3]))) return Answer::kNo;
  if (at(v.text, close) == '.') ++close;
  size_t j = close;
  while (j < close + kMaxGap && is_blank(at(v.text, j))) ++j;
  if (v.unknown_at(j)) return Answer::kUnknown;
  const char next = at(v.text, j);
  if (next != '\0' && next != '\n' && next != '\r' && !is_upper(next)) return Answer::kNo;
  *end = close;
  return Answer::kYes;
}

// Whether the sentence ends with the stop at i; *end is one behind its last byte.
Answer ends_sentence(const View& v, size_t i, size_t* end) {
  const std::string_view s = v.text;
  size_t j = i + 1;
  if (v.unknown_at(j)) return Answer::kUnknown;
  if (at(s, j) == '.' || at(s, j) == '!' || at(s, j) == '?') return Answer::kNo;  // its last byte decides
  const Answer closed = skip_closers(v, &j);
  if (closed == Answer::kUnknown || v.unknown_at(j)) return Answer::kUnknown;
  *end = j;
  if (j >= s.size()) return Answer::kYes;
  if (!is_space(s[j])) return Answer::kNo;
  size_t k = j;
  while (k < j + kMaxGap && is_blank(at(s, k))) ++k;
  if (v.unknown_at(k)) return Answer::kUnknown;
  const char next = at(s, k);
  if (s[i] == '.' && j == i + 1 && is_abbreviation(s, i, next)) return Answer::kNo;
  if (is_lower(next)) return Answer::kNo;
  if (const Answer day = s[i] == '.' && j == i + 1 ? is_day(v, i, k) : Answer::kNo; day != Answer::kNo) {
    return day == Answer::kYes ? Answer::kNo : day;
  }
  const Answer cited = trailing_citation(v, k, end);
  return cited == Answer::kUnknown ? cited : Answer::kYes;
}

// The full stops of scripts that set no space behind them.
Answer ends_wide_sentence(const View& v, size_t i, size_t* end) {
  if (v.unknown_at(i + 2)) return Answer::kUnknown;
  *end = i + 3;
  const bool stop =
      has_at(v.text, i, "\xe3\x80\x82") || has_at(v.text, i, "\xef\xbc\x81") || has_at(v.text, i, "\xef\xbc\x9f");
  return stop ? Answer::kYes : Answer::kNo;
}

// Words a line of prose can break behind but no statement ends with.
bool is_connective(std::string_view word) {
  constexpr std::string_view kWords[] = {"of", "by",  "the", "a",    "an", "and", "in",  "to", "for", "with",
                                         "at", "see", "or",  "than", "on", "as",  "was", "is", "are", "from"};
  return is_one_of(word, kWords);
}

bool looks_like_code(std::string_view line) { return line.find_first_of("={};<>|#\\") != std::string_view::npos; }

// The line at i continues the sentence with a word in small letters: no key, no call, no keyword of a program.
Answer continues_in_small_letters(const View& v, size_t i) {
  constexpr std::string_view kCode[] = {"def",    "fn",     "func", "function", "class", "struct",  "import", "const",
                                        "return", "static", "void", "public",   "let",   "private", "var",    "int"};
  size_t j = i;
  while (j < i + kMaxHeadWord && (is_lower(at(v.text, j)) || at(v.text, j) == '\'' || at(v.text, j) == '-')) ++j;
  if (j == i || !is_lower(v.text[i])) return v.unknown_at(j) ? Answer::kUnknown : Answer::kNo;
  if (v.unknown_at(j)) return Answer::kUnknown;
  const char c = at(v.text, j);
  if (c != '\0' && !is_space(c) && c != ',' && c != '.' && c != ';' && c != ')') return Answer::kNo;
  return is_one_of(v.text.substr(i, j - i), kCode) ? Answer::kNo : Answer::kYes;
}

// A bracket of prose is open where the line ends: "(Harlow et al.,\n2019)", "(Closes:\n#1107720)".
bool in_open_bracket(std::string_view line) {
  constexpr size_t kMost = 120;  // a bracket that is open longer is no aside
  for (size_t i = line.size(); i > 0 && i + kMost > line.size(); --i) {
    if (line[i - 1] == ')') return false;
    if (line[i - 1] == '(') return i == 1 || line[i - 2] == ' ';
  }
  return false;
}

// Words that the number, year or name behind them belongs to: "Section\n4.2", "February\n2021", "et al.\n(2019)".
bool binds(std::string_view line) {
  constexpr std::string_view kWords[] = {
      "Section", "section",   "Sections", "sections", "Chapter",   "chapter", "Figure", "figure",
      "Table",   "table",     "Appendix", "Article",  "article",   "Step",    "RFC",    "version",
      "Version", "Abschnitt", "Kapitel",  "Artikel",  "Paragraph", "No",      "Nr",     "Fig",
      "Sec",     "Abs",       "Art",      "Eq",       "port",      "al",      "ISO",    "PEP",
      "page",    "pages",     "line",     "lines",    "clause",    "Clause"};
  size_t end = line.size();
  if (end > 0 && line[end - 1] == '.') --end;
  const size_t w = word_begin(line, end);
  const std::string_view word = line.substr(w, end - w);
  return is_one_of(word, kWords) || word == "\xc2\xa7" || is_month_or_day(word);
}

// Whether the sentence goes on behind the line break at i: hard-wrapped prose does, everything else does not.
Answer goes_on(const View& v, size_t i) {
  const std::string_view s = v.text;
  size_t last = i;
  while (last > 0 && is_space(s[last - 1])) --last;
  const size_t line = s.substr(0, last).rfind('\n') + 1;  // npos + 1 is 0
  const std::string_view so_far = s.substr(line, last - line);
  const bool code = looks_like_code(so_far);
  const bool aside = in_open_bracket(so_far) && (!code || so_far.find_first_of("={}<>|#\\") == std::string_view::npos);
  if (so_far.empty() || (code && !aside) || begins_definition(s.substr(0, last))) return Answer::kNo;
  size_t k = i + 1;
  while (k <= i + kMaxIndent && is_blank(at(s, k))) ++k;
  if (v.unknown_at(k)) return Answer::kUnknown;
  const char next = at(s, k);
  if (next == '\0' || is_space(next)) return Answer::kNo;
  if ((is_digit(next) || next == '(') && binds(so_far)) return Answer::kYes;
  if (aside) return Answer::kYes;
  const char end = s[last - 1];
  if (!is_alnum(end) && !is_high(end) && end != ',' && end != '-' && end != '`') return Answer::kNo;
  if (so_far.find(' ') == std::string_view::npos) return Answer::kNo;  // a heading, a list of words
  if (next == '(') {
    size_t close = 0;
    const Answer group = group_at(v, k, &close);
    if (group != Answer::kYes) return group;
    if (v.unknown_at(close)) return Answer::kUnknown;
    const char c = at(s, close);
    return c == '.' || c == ',' || c == ';' ? Answer::kYes : Answer::kNo;
  }
  const size_t w = word_begin(s, last);
  if (is_alnum(next) && is_connective(s.substr(w, last - w))) return Answer::kYes;
  return continues_in_small_letters(v, k);
}

// Where a statement that is too long is cut.
size_t cut_of(std::string_view s) {
  for (size_t i = kMaxStatementBytes; i > kMaxStatementBytes / 2; --i) {
    if (is_space(s[i])) return i;
  }
  size_t i = kMaxStatementBytes;
  while (i > kMaxStatementBytes - 4 && (static_cast<unsigned char>(s[i]) & 0xC0U) == 0x80U) --i;
  return i;
}

}  // namespace

bool begins_definition(std::string_view line) {
  constexpr std::string_view kModifiers[] = {"pub",     "async",  "export",  "static",   "public",
                                             "private", "inline", "default", "protected"};
  constexpr std::string_view kKeywords[] = {"def", "fn", "func", "fun", "function", "sub"};
  size_t i = 0;
  for (int n = 0; n < 4; ++n) {
    const size_t e = word_end(line, i);
    if (e == i || !is_blank(at(line, e))) return false;
    const std::string_view word = line.substr(i, e - i);
    i = skip_blanks(line, e);
    if (is_one_of(word, kKeywords)) {
      const size_t name = word_end(line, i);
      return name > i && !is_digit(line[i]) && (at(line, name) == '(' || at(line, name) == '<');
    }
    if (!is_one_of(word, kModifiers)) return false;
  }
  return false;
}

StatementStatus first_statement(std::string_view text, bool at_end, Statement* out) {
  size_t begin = 0;
  while (begin < text.size() && is_space(text[begin])) ++begin;
  *out = {begin, begin};
  if (begin == text.size()) return StatementStatus::kNone;
  const View v{text.substr(begin), at_end};
  const auto found = [&](size_t end) {
    while (end > 0 && is_space(v.text[end - 1])) --end;
    *out = {begin, begin + end};
    return StatementStatus::kFound;
  };
  bool definition = false;  // known at the latest where the parameters begin
  for (size_t i = 0; i < v.text.size(); ++i) {
    if (i == kMaxStatementBytes) return found(cut_of(v.text));
    const char c = v.text[i];
    size_t end = i;
    Answer ends = Answer::kNo;
    if (c == '(' && !definition) {
      definition = begins_definition(v.text.substr(0, i + 1));
    } else if (c == '\n') {
      const Answer on = goes_on(v, i);
      ends = on == Answer::kYes ? Answer::kNo : on == Answer::kNo ? Answer::kYes : on;
    } else if ((c == '.' || c == '!' || c == '?') && !definition) {
      ends = ends_sentence(v, i, &end);
    } else if ((c == '\xe3' || c == '\xef') && !definition) {
      ends = ends_wide_sentence(v, i, &end);
    }
    if (ends == Answer::kUnknown) return StatementStatus::kUndecided;
    if (ends == Answer::kYes) return found(std::min(end, v.text.size()));
  }
  return at_end ? found(v.text.size()) : StatementStatus::kUndecided;
}

}  // namespace kedge::memory::anchors
