// Mail addresses and the ids of messages: barry@example.org, 7vocz8a6zk.fsf@mail.example.org.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

bool is_local(char c) {
  constexpr std::string_view kInner = "._%+=/-";
  return is_alnum(c) || kInner.find(c) != std::string_view::npos;
}

// The host that begins at i: two labels or more, the last one of letters. One behind it, or i.
size_t host_end(std::string_view s, size_t i) {
  size_t end = i, label = i;
  for (size_t j = i;; ++j) {
    if (is_alnum(at(s, j)) || (at(s, j) == '-' && j > label)) continue;
    if (j == label) break;
    if (label > i && is_alpha(s[label]) && j >= label + 2) end = j;
    if (at(s, j) != '.') break;
    label = j + 1;
  }
  return end;
}

}  // namespace

void find_emails(std::string_view s, std::vector<Reference>* out) {
  size_t free = 0;  // behind the last address
  for (size_t i = s.find('@'); i != std::string_view::npos; i = s.find('@', i + 1)) {
    size_t begin = i;
    while (begin > free && is_local(s[begin - 1])) --begin;
    while (begin < i && !is_alnum(s[begin])) ++begin;
    const size_t end = host_end(s, i + 1);
    if (begin == i || end == i + 1) continue;
    add_reference(out, begin, end, ReferenceKind::kEmail, true);
    free = end;
  }
}

}  // namespace kedge::memory::anchors
