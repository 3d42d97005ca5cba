// Segments, anchors and the text the detector has not settled, as bytes.
#include <algorithm>

#include "memory/snapshot_access.h"

namespace kedge::memory {

namespace {

void write_segment(const Segment& s, ByteWriter& out) {
  out.put(s.first);
  out.put(s.last);
  out.put(s.kind);
  out.put(s.pin);
  out.put(s.priority);
  out.put(s.ttl);
  out.put(s.trust);
  out.text(s.source_id);
}

Segment read_segment(ByteReader& in) {
  Segment s;
  s.first = in.get<int32_t>();
  s.last = in.get<int32_t>();
  s.kind = in.get<SegmentKind>();
  s.pin = in.get<Pin>();
  s.priority = in.get<uint8_t>();
  s.ttl = in.get<int32_t>();
  s.trust = in.get<float>();
  s.source_id = in.text(kMostText);
  if (s.kind > SegmentKind::kReference || s.pin > Pin::kHard || s.first < 0 || s.last < s.first) {
    in.fail("holds a segment that cannot be");
  }
  return s;
}

void write_anchor(const Anchor& a, ByteWriter& out) {
  write_segment(a.at, out);
  out.put<uint8_t>(a.detected ? 1 : 0);
  out.put<uint8_t>(a.strong ? 1 : 0);
  out.put<uint8_t>(a.seen ? 1 : 0);
  out.put(a.last_hit);
  out.put<uint64_t>(a.text_end);
  out.put(a.hot);
  out.put(a.cold);
  out.put<uint64_t>(a.names.size());
  for (const Name& n : a.names) {
    out.put(n.key);
    out.put(n.chars);
    out.put(n.tail);
    out.put(n.flags);
    out.text(n.text);
  }
  out.list<uint64_t>(a.words);
}

Anchor read_anchor(ByteReader& in) {
  Anchor a;
  a.at = read_segment(in);
  a.detected = in.get<uint8_t>() != 0;
  a.strong = in.get<uint8_t>() != 0;
  a.seen = in.get<uint8_t>() != 0;
  a.last_hit = in.get<int32_t>();
  a.text_end = in.get<uint64_t>();
  a.hot = in.get<int32_t>();
  a.cold = in.get<int32_t>();
  for (size_t n = in.count(kMostThings, 16); n > 0 && in.ok(); --n) {
    Name name;
    name.key = in.get<uint64_t>();
    name.chars = in.get<uint16_t>();
    name.tail = in.get<uint16_t>();
    name.flags = in.get<uint32_t>();
    name.text = in.text(kMostText);
    a.names.push_back(std::move(name));
  }
  a.words = in.list<uint64_t>(kMostThings);
  return a;
}

}  // namespace

void SnapshotAccess::write(const AnchorIndex& x, ByteWriter& out) {
  out.put<uint8_t>(x.detect_ ? 1 : 0);
  out.put(x.next_id_);
  out.put<uint64_t>(x.anchors_.size());
  for (const auto& [id, a] : x.anchors_) {
    out.put(id);
    write_anchor(a, out);
  }
  out.put<uint64_t>(x.provisional_.size());
  for (const Anchor& a : x.provisional_) write_anchor(a, out);
  out.put<uint64_t>(x.segments_.size());
  for (const Segment& s : x.segments_) write_segment(s, out);
  out.put<uint64_t>(x.open_.size());
  for (const auto& [id, text] : x.open_) {
    out.put(id);
    out.text(text);
  }
  out.put(x.scanner_.state());
  out.text(x.text_);
  out.put<uint64_t>(x.text_offset_);
  out.list<int64_t>(x.token_begin_);
  out.put(x.first_position_);
  out.put(x.forgotten_);
}

void SnapshotAccess::read(AnchorIndex& x, ByteReader& in) {
  x.detect_ = in.get<uint8_t>() != 0;
  x.next_id_ = in.get<uint32_t>();
  for (size_t n = in.count(kMostThings, 8); n > 0 && in.ok(); --n) {
    const auto id = in.get<uint32_t>();
    const Anchor a = read_anchor(in);
    for (const Name& name : a.names) x.names_.add(name, id);
    for (const uint64_t word : a.words) x.words_[word].push_back(id);  // ids ascend: as they were added
    x.n_recallable_ += a.cold > 0 ? 1 : 0;
    x.anchors_.emplace(id, a);
  }
  for (size_t n = in.count(kMostThings, 8); n > 0 && in.ok(); --n) x.provisional_.push_back(read_anchor(in));
  for (size_t n = in.count(kMostThings, 8); n > 0 && in.ok(); --n) x.segments_.push_back(read_segment(in));
  for (size_t n = in.count(kMostThings, 8); n > 0 && in.ok(); --n) {
    const auto id = in.get<uint32_t>();
    if (!x.anchors_.contains(id)) in.fail("holds the text of an anchor that is not there");
    x.open_[id] = in.text(kMostThings);
  }
  const auto scanner = in.get<NameScanner::State>();
  if (!NameScanner::is_valid(scanner)) in.fail("holds text that cannot be");
  x.scanner_ = NameScanner(scanner);
  x.text_ = in.text(kMostThings);
  x.text_offset_ = in.get<uint64_t>();
  x.token_begin_ = in.list<int64_t>(kMostThings);
  x.first_position_ = in.get<int32_t>();
  x.forgotten_ = in.get<uint64_t>();
  const auto& begin = x.token_begin_;
  const bool fits = begin.empty() || begin.back() <= static_cast<int64_t>(x.text_.size());
  if (!fits || !std::is_sorted(begin.begin(), begin.end()) || (begin.empty() && !x.text_.empty()) ||
      x.first_position_ < 0 || (x.detect_ && x.text_offset_ + x.text_.size() != x.scanner_.offset())) {
    in.fail("holds text that is not the text of its tokens");
  }
}

}  // namespace kedge::memory
