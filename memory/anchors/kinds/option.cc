// Options of commands: --no-color, --color=auto, -force_pubkey, -x.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

bool opens(std::string_view s, size_t i) {
  constexpr std::string_view kBefore = " '\"`([{|/,=";
  if (i > 1 && (s[i - 1] == '"' || s[i - 1] == '\'') && is_alnum(s[i - 2])) return false;  // a quotation ends
  return i == 0 || kBefore.find(s[i - 1]) != std::string_view::npos;
}

// "--color" at i without its value: one behind it, or i.
size_t name_end(std::string_view s, size_t i) {
  const bool two = at(s, i + 1) == '-';
  size_t j = i + (two ? 2 : 1);
  const size_t first = j;
  if (!is_alpha(at(s, j))) return i;
  while (is_alnum(at(s, j)) || ((at(s, j) == '-' || at(s, j) == '_') && is_alnum(at(s, j + 1)))) ++j;
  if (at(s, j) == '-' || at(s, j) == '_' || at(s, j) == '\xc3') return i;
  const bool warning = !two && (s[first] == 'D' || s[first] == 'W');
  if (is_upper(s[first]) && j > first + 1 && !warning) return i;
  return two && j < first + 2 ? i : j;
}

}  // namespace

void find_options(std::string_view s, std::vector<Reference>* out) {
  constexpr std::string_view kEndsValue = " '\"`)]},;";
  for (size_t i = s.find('-'); i != std::string_view::npos; i = s.find('-', i)) {
    if (!opens(s, i)) {
      while (at(s, i) == '-') ++i;
      continue;
    }
    size_t end = name_end(s, i);
    if (end == i && is_digit(at(s, i + 1)) && has_at(s, i + 2, ", --")) end = i + 2;
    if (end == i) {
      while (at(s, i) == '-') ++i;
      continue;
    }
    if (at(s, end) == '=' && at(s, i + 1) == '-') {
      size_t j = end + 1;
      while (j < s.size() && !is_high(s[j]) &&
             (kEndsValue.find(s[j]) == std::string_view::npos || (s[j] == ',' && is_alnum(at(s, j + 1)))))
        ++j;
      while (j > end + 1 && (s[j - 1] == '.' || s[j - 1] == ':')) --j;
      if (j > end + 1) end = j;
    }
    add_reference(out, i, end, ReferenceKind::kOption, false);
    i = end;
  }
}

}  // namespace kedge::memory::anchors
