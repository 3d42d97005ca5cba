// Paths and names of files: /etc/fstab, ~/.bashrc, debian/rules, com/sun/jdi/Vars.java, .git/objects/4b, notes.txt.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

bool is_path_byte(char c) {
  constexpr std::string_view kInner = "/._-+~*@%";
  return is_word(c) || kInner.find(c) != std::string_view::npos;
}

// A folder that paths begin with.
bool is_root_name(std::string_view s) {
  constexpr std::string_view kNames[] = {"etc",  "usr",   "var",  "tmp",   "home",  "opt",    "proc", "sys",
                                         "dev",  "bin",   "sbin", "lib",   "src",   "doc",    "docs", "include",
                                         "test", "tests", "refs", "build", "share", "debian", "tools"};
  return is_one_of(s, kNames);
}

bool is_media_type(std::string_view s) {
  constexpr std::string_view kNames[] = {"text",        "image",   "audio",     "video",
                                         "application", "message", "multipart", "font"};
  return is_one_of(s, kNames);
}

// A part that no word of the language looks like: it has a digit, a dot, an underscore or a hyphen inside.
bool is_marked(std::string_view part) {
  for (size_t i = 0; i < part.size(); ++i) {
    if (is_digit(part[i]) || part[i] == '_' || part[i] == '.') return true;
    if (i > 0 && part[i] == '-') return true;
  }
  return false;
}

bool has_letters(std::string_view s) {
  int n = 0;
  for (const char c : s) n += is_alpha(c) || is_high(c) ? 1 : 0;
  return n >= 2;
}

// notes.txt, SelectLibraryConfigurations.cmake, invoke-rc.d: the ending is one that files have.
bool is_file_name(std::string_view s) {
  constexpr std::string_view kEndings[] = {
      "txt", "md",   "rst",     "tex",    "pdf",    "ps",   "doc",   "docx", "odt", "html", "htm",  "xml", "css",
      "js",  "ts",   "json",    "yaml",   "yml",    "toml", "ini",   "conf", "cfg", "c",    "h",    "cc",  "hh",
      "cpp", "hpp",  "cxx",     "py",     "pl",     "pm",   "rb",    "rs",   "go",  "java", "sh",   "bat", "exe",
      "dll", "so",   "a",       "o",      "cmake",  "in",   "am",    "ac",   "m4",  "el",   "R",    "Rnw", "Rmd",
      "Rd",  "csv",  "tsv",     "sql",    "db",     "log",  "patch", "diff", "png", "jpg",  "jpeg", "gif", "svg",
      "zip", "gz",   "bz2",     "xz",     "tar",    "tgz",  "deb",   "rpm",  "dsc", "info", "texi", "po",  "pot",
      "d",   "lock", "service", "socket", "target", "gguf", "bin",   "iso",  "img", "xlsx", "ipynb"};
  const size_t dot = s.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || !is_one_of(s.substr(dot + 1), kEndings)) return false;
  size_t letters = 0;
  for (const char c : s.substr(0, dot)) letters += is_alpha(c) || is_high(c) ? 1 : 0;
  return s.size() - dot > 2 ? letters >= 1 : letters >= 2;
}

// [begin, end) has slashes inside: is it a path, and no "and/or", no "km/h", no "text/plain"?
bool is_relative(std::string_view s) {
  const size_t slash = s.find('/');
  const std::string_view first = s.substr(0, slash);
  const std::string_view last = s.substr(s.rfind('/') + 1);
  if (s.find("//") != std::string_view::npos || first.empty() || is_media_type(first)) return false;
  if (first == "." || first == ".." || first == "...") return s.size() > slash + 1;
  if (!is_alpha(s[0]) && s[0] != '.' && s[0] != '_') return false;
  const bool several = s.find('/', slash + 1) != std::string_view::npos;
  if (is_root_name(first)) return true;
  bool small = false;
  for (const char c : s) small |= is_lower(c);
  if (!small) return false;  // GCC/SSE2, TCP/IP
  if (several) return s.size() >= 8;
  return last.size() >= 4 && first.size() >= 2 && is_lower(s[0]) && is_marked(last);
}

}  // namespace

void find_paths(std::string_view s, std::vector<Reference>* out) {
  constexpr std::string_view kPunctuation = ".,-+~@%";
  for (size_t i = 0; i < s.size(); ++i) {
    size_t begin = i;
    if (has_at(s, i, "${") || has_at(s, i, "$(")) {  // ${HOME}/x
      const size_t close = s.find(s[i + 1] == '{' ? '}' : ')', i);
      if (close == std::string_view::npos || close > i + 64 || at(s, close + 1) != '/') {
        ++i;
        continue;
      }
      i = close + 1;
    } else if (!is_path_byte(s[i])) {
      continue;
    }
    size_t end = i;
    while (end < s.size() && is_path_byte(s[end])) ++end;
    const size_t next = end;
    while (end > i && (kPunctuation.find(s[end - 1]) != std::string_view::npos)) --end;
    if (s[begin] != '$') {
      while (begin < end && (s[begin] == '*' || s[begin] == '+' || s[begin] == '-' || s[begin] == '@')) ++begin;
    }
    const std::string_view token = s.substr(begin, end - begin);
    const size_t slash = token.find('/');
    const char before = begin == 0 ? ' ' : s[begin - 1];
    i = next - 1;
    if (token.size() < 4 || !has_letters(token)) continue;
    bool path = s[begin] == '$';
    if (slash == std::string_view::npos) {
      path =
          is_word(token[0]) && token.find('@') == std::string_view::npos && at(s, next) != '(' && is_file_name(token);
    } else if (slash == 0) {
      path = is_word(token[1]) || token[1] == '.';
      path = path && before != '<' && before != ')' && before != ']' && !word_before(s, begin);
      if (path && before == ':' && begin > 1 && is_alnum(s[begin - 2])) {  // host:/export
        begin -= 1;
        while (begin > 0 && (is_alnum(s[begin - 1]) || s[begin - 1] == '-' || s[begin - 1] == '.')) --begin;
      }
    } else if (token[0] == '~') {
      path = slash < 20;
    } else if (!path) {
      path = is_relative(token) && before != '<' && before != '\\' && before != ':' && before != '-';
    }
    if (path) add_reference(out, begin, end, ReferenceKind::kPath, false);
  }
}

}  // namespace kedge::memory::anchors
