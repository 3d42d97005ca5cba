#include "memory/pins.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

namespace kedge {

namespace pins {

// Tokens that lie ahead are not there to be pinned, tokens that are gone for good neither.
bool holds(const Anchor& a, int32_t next_position) {
  if (a.at.pin == Pin::kNone || a.at.first >= next_position) return false;
  if (a.seen && a.hot == 0) return false;
  if (a.at.ttl == 0 || a.at.pin == Pin::kHard) return true;
  return next_position - std::max(a.last_hit, a.at.last) <= a.at.ttl;
}

int segment_of(const AnchorIndex& index, const Anchor& a) {
  const auto& segments = index.segments();
  const auto after = std::upper_bound(segments.begin(), segments.end(), a.at.first,
                                      [](int32_t first, const Segment& s) { return first < s.first; });
  if (after == segments.begin()) return -1;
  for (auto holding = after; holding != segments.begin();) {  // the innermost
    --holding;
    if (a.at.first < holding->last) return static_cast<int>(holding - segments.begin());
  }
  return -1;
}

namespace {

// Positions that admitted pins take already: spans given and found often overlap.
class Covered {
 public:
  // Those of [first, last) that are not covered.
  int missing(int32_t first, int32_t last) const {
    int n = last - first;
    auto it = spans_.upper_bound(first);
    if (it != spans_.begin()) --it;
    for (; it != spans_.end() && it->first < last; ++it) {
      n -= std::max(0, std::min(last, it->second) - std::max(first, it->first));
    }
    return n;
  }
  void add(int32_t first, int32_t last) {
    auto it = spans_.upper_bound(first);
    if (it != spans_.begin() && std::prev(it)->second >= first) --it;
    while (it != spans_.end() && it->first <= last) {
      first = std::min(first, it->first);
      last = std::max(last, it->second);
      it = spans_.erase(it);
    }
    spans_[first] = last;
  }

 private:
  std::map<int32_t, int32_t> spans_;  // first to last; disjoint
};

}  // namespace

std::vector<TagSpan> admit(const AnchorIndex& index, std::vector<Candidate> candidates, const PinRules& rules) {
  const auto order = [](const Candidate& c) {
    const Anchor& a = *c.anchor;
    const bool whole = !a.seen || a.hot == a.length();
    return std::tuple(a.at.pin == Pin::kHard, whole, a.strong, a.at.priority, a.last_hit, a.at.first);
  };
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const Candidate& a, const Candidate& b) { return order(a) > order(b); });
  enum class State : uint8_t { kWaiting, kAdmitted };
  std::vector<State> state(candidates.size(), State::kWaiting);
  int used = 0;
  int untrusted = 0;
  Covered covered;
  std::map<int, int> by_segment;
  const bool many = std::any_of(candidates.begin(), candidates.end(),
                                [&](const Candidate& c) { return c.segment != candidates.front().segment; });
  for (const bool quota : {true, false}) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      const Anchor& a = *candidates[i].anchor;
      if (state[i] == State::kAdmitted) continue;
      const int n = covered.missing(a.at.first, a.at.last);
      const bool doubtful = a.at.trust < 0.5f;
      if (a.at.pin != Pin::kHard) {  // those were admitted when they were given
        if (used + n > rules.cap) continue;
        if (doubtful && untrusted + n > rules.cap / 4) continue;
        if (quota && many && by_segment[candidates[i].segment] + n > rules.cap / 2) continue;
      }
      state[i] = State::kAdmitted;
      covered.add(a.at.first, a.at.last);
      used += n;
      by_segment[candidates[i].segment] += n;
      if (doubtful) untrusted += n;
    }
  }
  std::vector<TagSpan> spans;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Anchor& a = *candidates[i].anchor;
    const auto rank = static_cast<uint32_t>(candidates.size() - i);
    const bool hard = a.at.pin == Pin::kHard;
    const bool admitted = state[i] == State::kAdmitted;
    if (admitted) {
      spans.push_back({a.at.first - rules.margin, a.at.first, {PinClass::kMargin, rank}});
      spans.push_back({a.at.last, a.at.last + rules.margin, {PinClass::kMargin, rank}});
    }
    const PinClass pin = hard ? PinClass::kHard : admitted ? PinClass::kSoft : PinClass::kSurplus;
    spans.push_back({a.at.first, a.at.last, {pin, rank}});
  }
  // The beginnings of the latest segments: the template's words that tell whose turn it is.
  constexpr size_t kBoundaries = 16;
  const auto& segments = index.segments();
  for (size_t i = segments.size() > kBoundaries ? segments.size() - kBoundaries : 0; i < segments.size(); ++i) {
    spans.push_back({segments[i].first, segments[i].first + 1, {PinClass::kBoundary, 0}});
  }
  return spans;
}

}  // namespace pins

std::vector<TokenTag> tags_of(std::span<const int32_t> positions, std::span<const TagSpan> spans) {
  std::vector<TokenTag> tags(positions.size());
  for (const TagSpan& span : spans) {
    const auto begin = std::lower_bound(positions.begin(), positions.end(), span.first);
    for (auto at = begin; at != positions.end() && *at < span.last; ++at) {
      TokenTag& tag = tags[static_cast<size_t>(at - positions.begin())];
      if (std::pair(span.tag.pin, span.tag.rank) > std::pair(tag.pin, tag.rank)) tag = span.tag;
    }
  }
  return tags;
}

int hard_pinned(const AnchorIndex& index, int32_t next_position) {
  int n = 0;
  for (const auto& [id, a] : index.anchors()) {
    const bool gone = a.seen && a.hot == 0 && a.at.last <= next_position;
    if (a.at.pin == Pin::kHard && !gone) n += a.length();
  }
  return n;
}

}  // namespace kedge
