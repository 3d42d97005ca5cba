#include "memory/pins.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <tuple>

#include "memory/anchors/bytes.h"

namespace kedge::memory {

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

// The form of a reference: "DOC-569B" and "TKT-12A" have one, whatever their letters and digits; so have all versions
// (1:2.9.14+dfsg-1.3) and all addresses of mail.
uint64_t form_of(std::string_view name) {
  if (name.find('@') != std::string_view::npos) return 1;
  if (!name.empty() && anchors::is_digit(name[0]) && name.find('.') != std::string_view::npos) return 2;
  uint64_t form = 0xcbf29ce484222325U;
  const auto add = [&](char c) { form = (form ^ static_cast<uint8_t>(c)) * 0x100000001b3U; };
  for (size_t i = 0; i < name.size();) {
    bool digits = false, letters = false;
    size_t j = i;
    for (; j < name.size() && anchors::is_word(name[j]); ++j) {
      (anchors::is_digit(name[j]) ? digits : letters) = true;
    }
    if (j == i) add(name[j++]);
    if (digits || letters) add(digits ? (letters ? 'x' : 'n') : 'a');
    i = j;
  }
  return form;
}

// Appends the anchors that are part of a run of so many which takes more than the share of the stretch it stands in.
void mark_runs(const std::vector<const Anchor*>& anchors, size_t run, double share, std::vector<const Anchor*>* out) {
  int tokens = 0;     // of the last `run`
  size_t marked = 0;  // those before are done with
  for (size_t i = 0; i < anchors.size(); ++i) {
    tokens += anchors[i]->length();
    if (i >= run) tokens -= anchors[i - run]->length();
    if (i + 1 < run) continue;
    const size_t first = i + 1 - run;
    if (tokens < share * (anchors[i]->at.last - anchors[first]->at.first)) continue;
    for (marked = std::max(marked, first); marked <= i; ++marked) out->push_back(anchors[marked]);
  }
}

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

std::vector<const Anchor*> fields_of(const AnchorIndex& index) {
  std::vector<const Anchor*> all;
  std::map<uint64_t, std::vector<const Anchor*>> by_form;
  const auto consider = [&](const Anchor& a) {
    if (!a.detected || !a.strong) return;
    all.push_back(&a);
    by_form[form_of(a.at.source_id)].push_back(&a);
  };
  for (const auto& [id, a] : index.anchors()) consider(a);
  for (const Anchor& a : index.provisional()) consider(a);
  std::vector<const Anchor*> fields;
  mark_runs(all, 16, 0.75, &fields);
  for (const auto& [form, some] : by_form) mark_runs(some, 8, 0.2, &fields);
  std::sort(fields.begin(), fields.end(), std::less<>());
  return fields;
}

std::vector<TagSpan> admit(const AnchorIndex& index, std::vector<Candidate> candidates, const PinRules& rules) {
  const auto order = [](const Candidate& c) {
    const Anchor& a = *c.anchor;
    const bool whole = !a.seen || a.hot == a.length();
    return std::tuple(a.at.pin == Pin::kHard, whole, c.strong, a.at.priority, a.last_hit, a.at.first);
  };
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const Candidate& a, const Candidate& b) { return order(a) > order(b); });
  enum class State : uint8_t { kWaiting, kAdmitted };
  std::vector<State> state(candidates.size(), State::kWaiting);
  int used = 0;
  int untrusted = 0;
  int weak = 0;
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
        if (!candidates[i].strong && weak + n > rules.cap / 4) continue;
        if (quota && many && by_segment[candidates[i].segment] + n > rules.cap / 2) continue;
      }
      state[i] = State::kAdmitted;
      covered.add(a.at.first, a.at.last);
      used += n;
      by_segment[candidates[i].segment] += n;
      if (doubtful) untrusted += n;
      if (!candidates[i].strong) weak += n;
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

}  // namespace kedge::memory
