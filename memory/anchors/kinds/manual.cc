// Pages of the manual: gzip(1), x509v3_config(5), nfsmount.conf(5), printf(3p).
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {

void find_manuals(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = s.find('('); i != std::string_view::npos; i = s.find('(', i + 1)) {
    if (at(s, i + 1) < '1' || at(s, i + 1) > '9') continue;
    size_t end = i + 2;
    while (end < i + 6 && (is_lower(at(s, end)) || is_upper(at(s, end)))) ++end;
    if (at(s, end) != ')') continue;
    ++end;
    size_t begin = i;
    while (begin > 0 && (is_alnum(s[begin - 1]) || s[begin - 1] == '_' || s[begin - 1] == '-' || s[begin - 1] == '.' ||
                         s[begin - 1] == '+')) {
      --begin;
    }
    while (begin < i && !is_alnum(s[begin])) ++begin;
    const std::string_view name = s.substr(begin, i - begin);
    const size_t dot = name.find('.');
    // fid.read(4) is a call, and so is x = read(4): pages are named in prose.
    if (dot != std::string_view::npos && name.substr(dot) != ".conf" && name.substr(dot) != ".d") continue;
    bool upper = false, lower = false;
    for (const char c : name) {
      upper |= is_upper(c);
      lower |= is_lower(c);
    }
    if (upper == lower) continue;  // gzip(1) and GZIP(1), not CtrlT(1)
    if (name.size() < 2 || is_digit(name[0]) || s.substr(0, begin).find('=') != std::string_view::npos) continue;
    const char next = at(s, end);
    if (is_word(next) || next == '{' || (begin > 0 && (is_word(s[begin - 1]) || s[begin - 1] == ':'))) continue;
    if (next == ';' && end == s.size() - 1) continue;
    add_reference(out, begin, end, ReferenceKind::kManual, false);
  }
}

}  // namespace kedge::memory::anchors
