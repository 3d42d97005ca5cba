#include "memory/anchor_index.h"

namespace kedge {

const char* segment_kind_name(SegmentKind kind) {
  switch (kind) {
    case SegmentKind::kSystem:
      return "system";
    case SegmentKind::kUser:
      return "user";
    case SegmentKind::kGenerated:
      return "generated";
    case SegmentKind::kTool:
      return "tool";
    case SegmentKind::kRetrieved:
      return "retrieved";
    case SegmentKind::kReference:
      return "reference";
  }
  return "unknown";
}

void AnchorIndex::add_segment(const Segment& segment) {
  const auto behind = std::upper_bound(segments_.begin(), segments_.end(), segment.first,
                                       [](int32_t first, const Segment& s) { return first < s.first; });
  segments_.insert(behind, segment);
}

void AnchorIndex::add_anchor(const Segment& segment) {
  const uint32_t id = next_id_++;
  anchors_[id].at = segment;
  open_[id];
}

void AnchorIndex::index(uint32_t id, std::string_view text) {
  Anchor& a = anchors_.at(id);
  std::vector<Term> found;
  distinctive_terms(text, &found);
  std::vector<Term> name;
  if (!a.at.source_id.empty()) distinctive_terms(a.at.source_id, &name);
  for (const Term& term : name) a.names.push_back(term.hash);
  found.insert(found.end(), name.begin(), name.end());
  for (const Term& term : found) {
    auto& owner = terms_[term.hash];  // ascending: as a snapshot restores them
    const auto at = std::lower_bound(owner.begin(), owner.end(), id);
    if (at != owner.end() && *at == id) continue;
    owner.insert(at, id);
    a.terms.push_back(term.hash);
  }
}

std::vector<uint32_t> AnchorIndex::owners(uint64_t term) const {
  const auto found = terms_.find(term);
  if (found == terms_.end()) return {};
  if (found->second.size() <= kMaxSharedTerm) return found->second;
  std::vector<uint32_t> named;
  for (const uint32_t id : found->second) {
    const std::vector<uint64_t>& names = anchors_.at(id).names;
    if (std::find(names.begin(), names.end(), term) != names.end()) named.push_back(id);
    if (named.size() == kMaxSharedTerm) break;
  }
  return named;
}

void AnchorIndex::note(int32_t position, std::string_view bytes, std::vector<Hit>* hits) {
  scanner_.push(bytes, [&](const Term& term) {
    for (const uint32_t id : owners(term.hash)) {
      Anchor& a = anchors_.at(id);
      if (term.begin < a.text_end) continue;  // its own text
      a.last_hit = position;
      hits->push_back({id, position});
    }
  });
  for (auto it = open_.begin(); it != open_.end();) {
    Anchor& a = anchors_.at(it->first);
    if (position >= a.at.first && position < a.at.last) it->second.append(bytes);
    if (position + 1 < a.at.last) {
      ++it;
      continue;
    }
    a.text_end = scanner_.offset();
    index(it->first, it->second);
    it = open_.erase(it);
  }
  if (!detect_) return;
  if (token_begin_.empty()) first_position_ = position;
  token_begin_.push_back(static_cast<int64_t>(text_.size()));
  text_.append(bytes);
}

size_t AnchorIndex::until_recall(std::span<const std::string_view> texts) const {
  if (n_recallable_ == 0) return texts.size();
  TermScanner scanner = scanner_;
  bool hit = false;
  for (size_t i = 0; i < texts.size(); ++i) {
    scanner.push(texts[i], [&](const Term& term) {
      for (const uint32_t id : owners(term.hash)) {
        const Anchor& a = anchors_.at(id);
        hit = hit || (a.cold > 0 && term.begin >= a.text_end);
      }
    });
    if (hit) return i + 1;
  }
  return texts.size();
}

int32_t AnchorIndex::position_at(size_t byte) const {
  const auto after = std::upper_bound(token_begin_.begin(), token_begin_.end(), static_cast<int64_t>(byte));
  return first_position_ + static_cast<int32_t>(after - token_begin_.begin()) - 1;
}

Anchor AnchorIndex::from_reference(const Reference& r) const {
  Anchor a;
  a.at.first = position_at(r.span_begin);
  a.at.last = position_at(r.span_end - 1) + 1;
  a.at.kind = SegmentKind::kReference;
  a.at.pin = Pin::kSoft;
  a.at.source_id = text_.substr(r.begin, r.end - r.begin);
  a.detected = true;
  a.strong = r.strength == ReferenceStrength::kStrong;
  a.text_end = text_offset_ + r.span_end;
  return a;
}

// Several references of one statement are one anchor, called by the first of them that is strong, or the first.
static std::vector<Reference> by_statement(std::span<const Reference> all) {
  std::vector<Reference> first;
  for (const Reference& r : all) {
    const bool strong = r.strength == ReferenceStrength::kStrong;
    if (first.empty() || first.back().span_begin != r.span_begin) {
      first.push_back(r);
    } else if (strong && first.back().strength != ReferenceStrength::kStrong) {
      first.back() = r;
    }
  }
  return first;
}

void AnchorIndex::detect() {
  if (!detect_) return;
  provisional_.clear();
  const Detection found = detect_references(text_, false);
  for (const Reference& r : by_statement(found.references)) {
    const uint32_t id = next_id_++;
    anchors_.emplace(id, from_reference(r));
    index(id, std::string_view(text_).substr(r.span_begin, r.span_end - r.span_begin));
  }
  // The token that reaches over the cut stays.
  const auto settled = static_cast<int64_t>(found.settled);
  size_t gone = 0;
  while (gone + 1 < token_begin_.size() && token_begin_[gone + 1] <= settled) ++gone;
  token_begin_.erase(token_begin_.begin(), token_begin_.begin() + static_cast<std::ptrdiff_t>(gone));
  first_position_ += static_cast<int32_t>(gone);
  for (int64_t& begin : token_begin_) begin -= settled;
  text_.erase(0, found.settled);
  text_offset_ += found.settled;
  for (const Reference& r : by_statement(detect_references(text_, true).references)) {
    provisional_.push_back(from_reference(r));
  }
}

void AnchorIndex::truncate(int32_t n) {
  for (auto it = anchors_.begin(); it != anchors_.end();) {
    if (it->second.at.last <= n) {
      ++it;
      continue;
    }
    drop_terms(it->first, it->second);
    open_.erase(it->first);
    it = anchors_.erase(it);
  }
  provisional_.clear();
  std::erase_if(segments_, [n](const Segment& s) { return s.first >= n; });
  for (Segment& s : segments_) s.last = std::min(s.last, n);
  while (!token_begin_.empty() && first_position_ + static_cast<int32_t>(token_begin_.size()) > n) {
    text_.resize(static_cast<size_t>(std::max<int64_t>(token_begin_.back(), 0)));
    token_begin_.pop_back();
  }
  if (token_begin_.empty()) text_.clear();
  scanner_.push("\n", [](const Term&) {});  // what follows begins a new word
  text_offset_ = scanner_.offset() - text_.size();
}

std::vector<uint32_t> AnchorIndex::mentioned_in(std::string_view text) const {
  std::vector<uint32_t> ids;
  std::vector<Term> found;
  distinctive_terms(text, &found);
  for (const Term& term : found) {
    const std::vector<uint32_t> owner = owners(term.hash);
    ids.insert(ids.end(), owner.begin(), owner.end());
  }
  for (const auto& [id, a] : anchors_) {
    if (!a.at.source_id.empty() && a.at.source_id == text) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void AnchorIndex::drop_terms(uint32_t id, const Anchor& a) {
  for (const uint64_t term : a.terms) {
    const auto found = terms_.find(term);
    if (found == terms_.end()) continue;
    std::erase(found->second, id);
    if (found->second.empty()) terms_.erase(found);
  }
}

// Anchors that are gone altogether stay known, so that a reference to one can be reported; of very many the oldest are
// forgotten.
void AnchorIndex::forget_old() {
  if (anchors_.size() <= kMaxAnchors) return;
  for (auto it = anchors_.begin(); it != anchors_.end() && anchors_.size() > kMaxAnchors / 2;) {
    const Anchor& a = it->second;
    if (!a.seen || a.hot > 0 || a.cold > 0) {
      ++it;
      continue;
    }
    drop_terms(it->first, a);
    it = anchors_.erase(it);
    ++forgotten_;
  }
}

}  // namespace kedge
