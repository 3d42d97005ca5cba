#include "tokenizer/special.h"

#include <algorithm>

namespace kedge::tokenizer {

void SpecialTokens::build() {
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.text != b.text ? a.text < b.text : a.id < b.id; });
  const auto same = [](const Entry& a, const Entry& b) { return a.text == b.text; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  for (const Entry& e : entries_) first_.set(static_cast<unsigned char>(e.text[0]));
}

SpecialTokens::Match SpecialTokens::longest_at(std::string_view text, size_t at) const {
  Match best;
  auto lo = entries_.begin();
  auto hi = entries_.end();
  for (size_t depth = 0; at + depth < text.size(); ++depth) {
    // All of [lo, hi) agree with the text in their first `depth` bytes and are longer; narrow by one byte more.
    const auto byte = static_cast<unsigned char>(text[at + depth]);
    const auto at_depth = [depth](const Entry& e) { return static_cast<unsigned char>(e.text[depth]); };
    lo = std::partition_point(lo, hi, [&](const Entry& e) { return at_depth(e) < byte; });
    hi = std::partition_point(lo, hi, [&](const Entry& e) { return at_depth(e) <= byte; });
    if (lo == hi) break;
    if (lo->text.size() == depth + 1) {  // the shortest of the range comes first, and there is only one of it
      best = {at, depth + 1, lo->id};
      if (++lo == hi) break;
    }
  }
  return best;
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, size_t from) const {
  if (entries_.empty()) return {};
  for (size_t at = from; at < text.size(); ++at) {
    if (!first_.test(static_cast<unsigned char>(text[at]))) continue;
    const Match m = longest_at(text, at);
    if (m.id >= 0) return m;
  }
  return {};
}

}  // namespace kedge::tokenizer
