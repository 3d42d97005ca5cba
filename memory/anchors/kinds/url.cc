// https://host/path, ftp://..., www.host.tld/..., github.com/foo.
#include <algorithm>

#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

// Where a scheme or "www." that begins at i ends; i when there is none.
size_t prefix_end(std::string_view s, size_t i) {
  if (has_at(s, i, "www.")) return i + 4;
  size_t j = i;
  while (j < s.size() && j < i + 12 && (is_lower(s[j]) || (j > i && (is_digit(s[j]) || s[j] == '+')))) ++j;
  return j > i + 1 && has_at(s, j, "://") ? j + 3 : i;
}

bool ends_url(char c) {
  return is_space(c) || c == '<' || c == '>' || c == '"' || c == '`' || c == '{' || c == '}' || c == '|' || c == '\\' ||
         c == '\xe2';  // quotation marks and dashes beyond ASCII
}

// Without the punctuation of the sentence around it; a bracket belongs to the URL when it was opened in it.
size_t trim(std::string_view s, size_t begin, size_t end) {
  constexpr std::string_view kPunctuation = ".,;:!?'*)]";
  while (end > begin && kPunctuation.find(s[end - 1]) != std::string_view::npos) {
    const char open = s[end - 1] == ')' ? '(' : s[end - 1] == ']' ? '[' : '\0';
    if (open != '\0' && s.substr(begin, end - begin).find(open) != std::string_view::npos) break;
    --end;
  }
  return end;
}

// A host without a scheme that begins at i, by the end of its name: one behind it, or i. Names in code and files have
// other ends.
size_t host_end(std::string_view s, size_t i) {
  constexpr std::string_view kDomains[] = {"com", "org", "edu", "gov"};
  size_t label = i, j = i;
  bool known = false;
  for (;; ++j) {
    if (is_lower(at(s, j)) || is_digit(at(s, j)) || (at(s, j) == '-' && j > label)) continue;
    if (j == label) return i;
    known = label > i && is_one_of(s.substr(label, j - label), kDomains);
    if (at(s, j) != '.' || !(is_lower(at(s, j + 1)) || is_digit(at(s, j + 1)))) break;
    label = j + 1;
  }
  return known && !is_word(at(s, j)) && at(s, j) != '@' && at(s, j) != '(' && !has_at(s, j, ":/") ? j : i;
}

}  // namespace

void find_urls(std::string_view s, std::vector<Reference>* out) {
  constexpr std::string_view kInner = ".-@/=";  // before a host that is part of something else
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_lower(s[i]) || word_before(s, i)) continue;
    size_t host = prefix_end(s, i);
    const bool bare = host == i;
    if (bare && (i == 0 || kInner.find(s[i - 1]) == std::string_view::npos)) host = host_end(s, i);
    size_t end = host;
    if (host == i) {
      end = word_end(s, i);
    } else {
      while ((!bare || at(s, host) == '/') && end < s.size() && !ends_url(s[end])) ++end;
      const size_t trimmed = trim(s, host, end);
      if (bare || trimmed > host + 2) add_reference(out, i, trimmed, ReferenceKind::kUrl, false);
    }
    i = std::max(end, i + 1) - 1;
  }
}

}  // namespace kedge::memory::anchors
