#include "memory/anchor_index.h"

#include <functional>

namespace kedge::memory {

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

void AnchorIndex::add_names(uint32_t id, std::vector<Name> names) {
  Anchor& a = anchors_.at(id);
  for (Name& name : names) {
    if (std::any_of(a.names.begin(), a.names.end(), [&](const Name& n) { return n.key == name.key; })) continue;
    names_.add(name, id);
    a.names.push_back(std::move(name));
  }
}

void AnchorIndex::add_words(uint32_t id, const std::vector<uint64_t>& words) {
  Anchor& a = anchors_.at(id);
  for (const uint64_t word : words) {
    if (std::find(a.words.begin(), a.words.end(), word) != a.words.end()) continue;
    words_[word].push_back(id);
    a.words.push_back(word);
  }
}

// Given anchors are called by their source and by the references in their text.
void AnchorIndex::index_given(uint32_t id, std::string_view text) {
  const std::string& source_id = anchors_.at(id).at.source_id;
  add_names(id, given_names(source_id));
  for (const Reference& r : detect_references(text, true).references) {
    add_names(id, reference_names(r.kind, text.substr(r.begin, r.end - r.begin)));
  }
  add_names(id, subject_names(text, true));
  add_words(id, word_keys(text));
  add_words(id, word_keys(source_id));
}

void AnchorIndex::note(int32_t position, std::string_view bytes, std::vector<Hit>* hits) {
  scanner_.push(bytes, [&](const NameScanner& scanner) {
    Hit named{position, false, {}, {}};
    Hit about{position, true, {}, {}};
    mentioned(scanner, [&](uint32_t id, const Name& name) {
      Anchor& a = anchors_.at(id);
      a.last_hit = position;
      Hit& hit = (name.flags & kNameSubject) != 0 ? about : named;
      if (hit.anchors.empty()) hit.reference = a.detected || a.at.source_id.empty() ? name.text : a.at.source_id;
      hit.anchors.push_back(id);
    });
    for (Hit& hit : {std::ref(named), std::ref(about)}) {
      if (!hit.anchors.empty()) hits->push_back(std::move(hit));
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
    index_given(it->first, it->second);
    it = open_.erase(it);
  }
  if (!detect_) return;
  if (token_begin_.empty()) first_position_ = position;
  token_begin_.push_back(static_cast<int64_t>(text_.size()));
  text_.append(bytes);
}

size_t AnchorIndex::until_recall(std::span<const std::string_view> texts) const {
  if (n_recallable_ == 0) return texts.size();
  NameScanner scanner = scanner_;
  bool hit = false;
  for (size_t i = 0; i < texts.size(); ++i) {
    scanner.push(texts[i], [&](const NameScanner& words) {
      mentioned(words, [&](uint32_t id, const Name&) { hit = hit || anchors_.at(id).cold > 0; });
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
  // Where not all find room, records, functions and citations come before addresses and numbers.
  const bool record =
      r.kind == ReferenceKind::kIdentifier || r.kind == ReferenceKind::kFunction || r.kind == ReferenceKind::kCitation;
  if (!record) a.at.priority -= 10;
  a.detected = true;
  a.strong = r.strength == ReferenceStrength::kStrong;
  a.text_end = text_offset_ + r.span_end;
  return a;
}

namespace {

// Several references of one statement are one anchor.
std::vector<std::span<const Reference>> by_statement(std::span<const Reference> all) {
  std::vector<std::span<const Reference>> groups;
  for (size_t i = 0; i < all.size();) {
    size_t end = i + 1;
    while (end < all.size() && all[end].span_begin == all[i].span_begin) ++end;
    groups.push_back(all.subspan(i, end - i));
    i = end;
  }
  return groups;
}

// What it is called in a report: by the first that is strong, or the first.
const Reference& first_of(std::span<const Reference> statement) {
  const auto strong = std::find_if(statement.begin(), statement.end(),
                                   [](const Reference& r) { return r.strength == ReferenceStrength::kStrong; });
  return strong == statement.end() ? statement.front() : *strong;
}

}  // namespace

void AnchorIndex::index_statement(std::span<const Reference> references) {
  const Reference& first = first_of(references);
  const uint32_t id = next_id_++;
  anchors_.emplace(id, from_reference(first));
  const std::string_view text(text_);
  // What code is full of: names while one statement or two have them, none when more do.
  constexpr size_t kMaxUses = 2;
  const auto add_code = [&](std::vector<Name> names) {
    for (Name& name : names) {
      std::vector<uint64_t>& words = anchors_.at(id).words;
      if (std::find(words.begin(), words.end(), name.key) != words.end()) continue;
      words.push_back(name.key);
      std::vector<uint32_t>& owners = words_[name.key];
      owners.push_back(id);
      if (owners.size() == kMaxUses + 1) {
        for (const uint32_t other : owners) {
          names_.remove(name, other);
          std::erase_if(anchors_.at(other).names, [&](const Name& n) { return n.key == name.key; });
        }
      }
      if (owners.size() <= kMaxUses) add_names(id, {std::move(name)});
    }
  };
  for (const Reference& r : references) {
    std::vector<Name> names = reference_names(r.kind, text.substr(r.begin, r.end - r.begin));
    const bool quoted = r.begin > 0 && text[r.begin - 1] == '`';
    const bool code = r.kind == ReferenceKind::kFunction || r.kind == ReferenceKind::kOption;
    if (code && !quoted && r.strength == ReferenceStrength::kWeak) {
      add_code(std::move(names));
    } else {
      add_names(id, std::move(names));
    }
  }
  const std::string_view statement = text.substr(first.span_begin, first.span_end - first.span_begin);
  if (first.strength == ReferenceStrength::kStrong) add_names(id, subject_names(statement, false));
  add_words(id, word_keys(statement));
}

void AnchorIndex::detect() {
  if (!detect_) return;
  provisional_.clear();
  const Detection found = detect_references(text_, false);
  for (const auto& statement : by_statement(found.references)) index_statement(statement);
  // The token that reaches over the cut stays.
  const auto settled = static_cast<int64_t>(found.settled);
  size_t gone = 0;
  while (gone + 1 < token_begin_.size() && token_begin_[gone + 1] <= settled) ++gone;
  token_begin_.erase(token_begin_.begin(), token_begin_.begin() + static_cast<std::ptrdiff_t>(gone));
  first_position_ += static_cast<int32_t>(gone);
  for (int64_t& begin : token_begin_) begin -= settled;
  text_.erase(0, found.settled);
  text_offset_ += found.settled;
  const Detection open = detect_references(text_, true);
  for (const auto& statement : by_statement(open.references))
    provisional_.push_back(from_reference(first_of(statement)));
}

void AnchorIndex::truncate(int32_t n) {
  for (auto it = anchors_.begin(); it != anchors_.end();) {
    if (it->second.at.last <= n) {
      ++it;
      continue;
    }
    drop_names(it->first, it->second);
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
  scanner_.forget();
  text_offset_ = scanner_.offset() - text_.size();
}

std::vector<uint32_t> AnchorIndex::mentioned_in(std::string_view text) const {
  std::vector<uint32_t> ids;
  NameScanner scanner = scanner_;  // behind all text
  scanner.forget();
  const auto add = [&](const NameScanner& words) {
    mentioned(words, [&](uint32_t id, const Name&) { ids.push_back(id); });
  };
  scanner.push(text, add);
  scanner.push("\n", add);
  for (const uint64_t word : word_keys(text)) {
    const auto found = words_.find(word);
    if (found == words_.end() || found->second.size() > kMaxShared) continue;
    ids.insert(ids.end(), found->second.begin(), found->second.end());
  }
  for (const auto& [id, a] : anchors_) {
    if (!a.at.source_id.empty() && a.at.source_id == text) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

size_t AnchorIndex::bytes() const {
  constexpr size_t kNode = 4 * sizeof(void*);  // of a map, beside the value
  const auto of_text = [](const std::string& s) { return s.capacity() > std::string().capacity() ? s.capacity() : 0; };
  size_t n = names_.bytes() + of_text(text_) + token_begin_.capacity() * sizeof(int64_t);
  const auto of_anchor = [&](const Anchor& a) {
    size_t own = of_text(a.at.source_id) + a.names.capacity() * sizeof(Name) + a.words.capacity() * sizeof(uint64_t);
    for (const Name& name : a.names) own += of_text(name.text);
    return own;
  };
  for (const auto& [id, a] : anchors_) n += kNode + sizeof(id) + sizeof a + of_anchor(a);
  for (const Anchor& a : provisional_) n += of_anchor(a);
  n += provisional_.capacity() * sizeof(Anchor) + segments_.capacity() * sizeof(Segment);
  for (const Segment& s : segments_) n += of_text(s.source_id);
  n += words_.bucket_count() * sizeof(void*);
  for (const auto& [word, owners] : words_) n += kNode + sizeof owners + owners.capacity() * sizeof(uint32_t);
  for (const auto& [id, text] : open_) n += kNode + sizeof text + of_text(text);
  return n;
}

void AnchorIndex::drop_names(uint32_t id, const Anchor& a) {
  for (const Name& name : a.names) names_.remove(name, id);
  for (const uint64_t word : a.words) {
    const auto found = words_.find(word);
    if (found == words_.end()) continue;
    std::erase(found->second, id);
    if (found->second.empty()) words_.erase(found);
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
    drop_names(it->first, a);
    it = anchors_.erase(it);
    ++forgotten_;
  }
}

}  // namespace kedge::memory
