// Names of functions: in back-ticks, as a definition, as a call.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"
#include "memory/anchors/statements.h"

namespace kedge::anchors {
namespace {

// A path of identifiers, perhaps called: parse_header, std::move, obj.method(a, b). *name_end is one behind the names.
bool is_code_name(std::string_view s, size_t* name_end) {
  size_t i = 0;
  for (;;) {
    const size_t e = word_end(s, i);
    if (e == i || is_digit(s[i]) || is_high(s[i])) return false;
    i = e;
    if (has_at(s, i, "::") || has_at(s, i, "->")) {
      i += 2;
    } else if (at(s, i) == '.' || at(s, i) == '#') {
      ++i;
    } else {
      break;
    }
  }
  *name_end = i;
  return i == s.size() || (s[i] == '(' && s.back() == ')');
}

// More than a word of the language: snake_case, camelCase, a path, a call.
bool is_compound(std::string_view s) {
  for (size_t i = 1; i < s.size(); ++i) {
    if (!is_word(s[i])) return true;
    if (s[i] == '_' && i + 1 < s.size() && is_alnum(s[i - 1])) return true;
    if (is_upper(s[i]) && is_lower(s[i - 1])) return true;
  }
  return false;
}

// The word [begin, end) is a value: "32", "1.5", an error code "E213". Not issue #32, link [32], or a digit of a name.
bool is_value(std::string_view s, size_t begin, size_t end) {
  const char before = begin == 0 ? ' ' : s[begin - 1];
  if (before == '#' || before == '[' || before == '/' || before == '@') return false;
  if (is_digit(s[begin])) return begin > 0 || at(s, end) != '.';  // "1." at the beginning counts items
  size_t i = begin;
  while (i < end && is_upper(s[i])) ++i;
  return i <= begin + 3 && end >= i + 2 && digits_end(s, i) == end;
}

// The statement says something of the name that cannot be guessed from it: it has a value outside of back-ticks and
// URLs, or goes on behind the name with a verb that gives it a result.
bool states_value(std::string_view s, size_t behind_name) {
  constexpr std::string_view kVerbs[] = {"returns", "raises", "throws", "yields", "allocates", "sets", "equals"};
  bool quoted = false;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '`') quoted = !quoted;
    if (has_at(s, i, "://")) {
      while (i + 1 < s.size() && !is_space(s[i + 1])) ++i;
    }
    if (!is_word(s[i])) continue;
    const size_t end = word_end(s, i);
    if (!quoted && is_value(s, i, end)) return true;
    i = end - 1;
  }
  const size_t v = skip_blanks(s, behind_name);
  return is_one_of(s.substr(v, word_end(s, v) - v), kVerbs);
}

void find_quoted(std::string_view s, std::vector<Reference>* out) {
  constexpr size_t kMaxName = 100;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '`') continue;
    if (at(s, i + 1) == '`') {  // ``, ```: other markup
      while (at(s, i + 1) == '`') ++i;
      continue;
    }
    const size_t close = s.find('`', i + 1);
    if (close == std::string_view::npos) return;
    size_t name = 0;
    const std::string_view inner = s.substr(i + 1, close - i - 1);
    if (inner.size() <= kMaxName && is_code_name(inner, &name)) {
      const bool strong = is_compound(inner) && states_value(s, close + 1);
      add_reference(out, i + 1, i + 1 + name, ReferenceKind::kFunction, strong);
    }
    i = close;
  }
}

// A number that is no part of a name, before a comment begins.
bool has_number(std::string_view s) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '#' || has_at(s, i, "//")) return false;
    if (is_digit(s[i]) && (i == 0 || !is_word(s[i - 1]))) return true;
    if (is_word(s[i])) i = word_end(s, i) - 1;
  }
  return false;
}

// What follows the parameter list that opens at `open`, when it closes in the statement.
std::string_view behind_parameters(std::string_view s, size_t open) {
  int depth = 0;
  for (size_t i = open; i < s.size(); ++i) {
    if (s[i] == '(') ++depth;
    if (s[i] == ')' && --depth == 0) return s.substr(i + 1);
  }
  return {};
}

// A body on the line itself: behind ':' or '=', or between braces.
std::string_view body_of(std::string_view s) {
  const size_t brace = s.find('{');
  if (brace != std::string_view::npos) {
    return s.back() == '}' || s.back() == ';' ? s.substr(brace + 1) : std::string_view{};
  }
  size_t i = s.find_first_of(":=");
  if (has_at(s, s.find("->"), "->")) i = s.find(':');  // a result type may not hold one
  return i == std::string_view::npos ? std::string_view{} : s.substr(i + 1);
}

// def f(a): ..., fn f(a) {, and int f(int a) { return 3 * a; }. One that is whole and holds a number states a value.
void find_definition(std::string_view s, std::vector<Reference>* out) {
  const size_t open = s.find('(');
  if (open == std::string_view::npos) return;
  size_t end = open;
  if (s.substr(0, open).find('<') != std::string_view::npos && begins_definition(s)) end = s.find('<');
  const size_t name = word_begin(s, end);
  if (name == end || is_digit(s[name])) return;
  const std::string_view body = body_of(behind_parameters(s, open));
  if (begins_definition(s)) {
    add_reference(out, name, end, ReferenceKind::kFunction, has_number(body));
  } else if (name > 0 && body.find("return ") != std::string_view::npos && s.find('{') < s.find("return ")) {
    add_reference(out, name, end, ReferenceKind::kFunction, has_number(body));
  }
}

// parse_header(...) and snake_case_names in running text and code.
void find_plain(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_word(s[i])) continue;
    const size_t end = word_end(s, i);
    const std::string_view word = s.substr(i, end - i);
    const bool compound = word.size() >= 5 && is_alpha(word[0]) && is_compound(word);
    const bool called = word.size() >= 3 && is_alpha(word[0]) && has_at(s, end, "()");
    if (compound || called) add_reference(out, i, end, ReferenceKind::kFunction, false);
    i = end - 1;
  }
}

}  // namespace

void find_functions(std::string_view s, std::vector<Reference>* out) {
  find_quoted(s, out);
  find_definition(s, out);
  find_plain(s, out);
}

}  // namespace kedge::anchors
