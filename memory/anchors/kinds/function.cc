// Names of functions: in back-ticks, as a definition, as a call.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"
#include "memory/anchors/statements.h"

namespace kedge::memory::anchors {
namespace {

// A path of identifiers, perhaps called: parse_header, std::move, obj.method(a, b). *name_end is one behind the names.
bool is_code_name(std::string_view s, size_t* name_end) {
  size_t i = 0;
  for (;;) {
    size_t e = word_end(s, i);
    if (e == i || is_digit(s[i]) || is_high(s[i])) return false;
    while (at(s, e) == '-' && is_alnum(at(s, e + 1))) e = word_end(s, e + 1);
    i = e;
    const bool two = has_at(s, i, "::") || has_at(s, i, "->");
    if (!two && at(s, i) != '.' && at(s, i) != '#') break;
    i += two ? 2 : 1;
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

// The statement has a value outside of back-ticks and URLs.
bool has_value(std::string_view s) {
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
  return false;
}

// The statement goes on at i with a verb that gives the name before it a result.
bool has_result_verb(std::string_view s, size_t i) {
  constexpr std::string_view kVerbs[] = {"returns", "raises", "throws", "yields", "allocates", "sets", "equals"};
  const size_t v = skip_blanks(s, i);
  return is_one_of(s.substr(v, word_end(s, v) - v), kVerbs);
}

// Constants of languages are no names.
bool is_language_word(std::string_view word) {
  constexpr std::string_view kWords[] = {"True",  "False",   "None",   "true",   "false", "null", "NULL",
                                         "nil",   "nullptr", "self",   "if",     "else",  "elif", "endif",
                                         "while", "for",     "switch", "return", "sizeof"};
  return is_one_of(word, kWords);
}

// `name`, ``name`` and `name'.
void find_quoted(std::string_view s, std::vector<Reference>* out) {
  constexpr size_t kMaxName = 100;
  const bool value = s.find('`') != std::string_view::npos && has_value(s);
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '`') continue;
    const bool two = at(s, i + 1) == '`' && at(s, i + 2) != '`';
    if (at(s, i + 1) == '`' && !two) {  // ```: other markup
      while (at(s, i + 1) == '`') ++i;
      continue;
    }
    const size_t begin = i + (two ? 2 : 1);
    size_t close = s.find('`', begin);
    const size_t single = s.find('\'', begin);
    if (!two && single < close) {
      size_t ignored = 0;
      const std::string_view name = s.substr(begin, single - begin);
      if (is_code_name(name, &ignored) && is_compound(name)) close = single;  // not `frozen', a word of prose
    }
    if (close == std::string_view::npos) return;
    size_t name = 0;
    const std::string_view inner = s.substr(begin, close - begin);
    if (inner.size() <= kMaxName && is_code_name(inner, &name) && !is_language_word(inner)) {
      // Strong when something is said of the name that cannot be guessed from it; a plain word needs more to be a name.
      const bool verb = has_result_verb(s, close + 1);
      const bool strong = !two && (is_compound(inner) ? value || verb : value && verb);
      add_reference(out, begin, begin + name, ReferenceKind::kFunction, strong);
    }
    i = close + (two && at(s, close + 1) == '`' ? 1 : 0);
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

// Names that have the form of one in code and are vocabulary.
bool is_vocabulary(std::string_view word) {
  constexpr std::string_view kWords[] = {
      "GitHub", "GitLab", "JavaScript", "TypeScript", "LaTeX", "BibTeX", "YouTube", "OpenSSL", "OpenSSH", "PostgreSQL",
      "MacOS",  "iPhone", "FreeBSD",    "OpenBSD",    "macOS", "NetBSD", "utf8",    "sha1",    "sha256",  "md5sum",
      "base64", "ipv4",   "ipv6",       "amd64",      "arm64", "i386",   "x86_64",  "win32",   "int8",    "int16",
      "int32",  "int64",  "float32",    "float64",    "uint8", "uint32", "uint64"};
  return is_one_of(word, kWords) || word.substr(0, 2) == "Mc" || word.substr(0, 3) == "Mac";
}

// libeay32, fit1: small letters that end in a few digits.
bool is_numbered_name(std::string_view word) {
  size_t letters = 0;
  while (letters < word.size() && is_lower(word[letters])) ++letters;
  const size_t digits = digits_end(word, letters);
  if (letters < 3 || digits == letters || digits > letters + 3) return false;
  size_t end = digits;
  while (end < word.size() && is_alpha(word[end])) ++end;
  return end == word.size() && end <= digits + 3;
}

// One behind the path of names that begins at i: os.path.join, std::vector. *dots and *colons count its joints.
size_t path_end(std::string_view s, size_t i, int* dots, int* colons) {
  size_t end = word_end(s, i);
  for (;;) {
    const bool two = has_at(s, end, "::");
    if (!two && at(s, end) != '.') return end;
    const size_t next = end + (two ? 2 : 1);
    const size_t e = word_end(s, next);
    if (e == next || is_digit(s[next]) || is_high(s[next])) return end;
    ++(two ? *colons : *dots);
    end = e;
  }
}

// e.g., p.m., U.S.: a letter and a stop, again and again; "end.The": a blank is missing.
bool is_dotted_name(std::string_view s) {
  const size_t dot = s.find('.');
  if (s.size() < 4 || (dot == 1 && s.size() < 6)) return false;
  const std::string_view last = s.substr(s.rfind('.') + 1);
  return !(is_upper(last[0]) && last.size() > 1 && is_lower(last[1]) && is_lower(s[0]) && s.rfind('.') == dot);
}

// parse_header(...), os.path.join, std::move, snake_case and camelCase names in running text and code.
void find_plain(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_word(s[i])) continue;
    int dots = 0, colons = 0;
    const size_t first = word_end(s, i);
    size_t end = is_alpha(s[i]) || s[i] == '_' ? path_end(s, i, &dots, &colons) : first;
    if (colons == 0 && dots > 0 && !is_dotted_name(s.substr(i, end - i))) {
      end = first;
      dots = 0;
    }
    const std::string_view word = s.substr(i, end - i);
    const bool begins = is_alpha(word[0]) || word[0] == '_';
    const bool underscore = word.size() >= 4 && word.find('_', 1) < word.size() - 1;
    const bool compound = begins && (underscore || (word.size() >= 5 && is_compound(word))) && !is_vocabulary(word);
    const bool called = word.size() >= 3 && begins && has_at(s, end, "()") && !is_language_word(word);
    const bool numbered = is_numbered_name(word) && !is_vocabulary(word);
    if (compound || called || numbered || colons > 0 || dots > 0) {
      add_reference(out, i, end, ReferenceKind::kFunction, false);
    }
    i = end - 1;
  }
}

}  // namespace

void find_functions(std::string_view s, std::vector<Reference>* out) {
  find_quoted(s, out);
  find_definition(s, out);
  find_plain(s, out);
}

}  // namespace kedge::memory::anchors
