// https://host/path, ftp://..., www.host.tld/...
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::anchors {
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

}  // namespace

void find_urls(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_lower(s[i]) || word_before(s, i)) continue;
    const size_t host = prefix_end(s, i);
    if (host == i) continue;
    size_t end = host;
    while (end < s.size() && !ends_url(s[end])) ++end;
    const size_t trimmed = trim(s, host, end);
    if (trimmed > host + 2) add_reference(out, i, trimmed, ReferenceKind::kUrl, false);
    i = end;
  }
}

}  // namespace kedge::anchors
