#include "memory/snapshot.h"

#include <algorithm>

namespace kedge::memory {

namespace {

constexpr size_t kMostText = 1 << 20;
constexpr size_t kMostThings = size_t{1} << 28;

// Options without their texts, in one piece.
struct PlainOptions {
  int32_t budget, sinks, recent, margin, forks, log;
  float threshold, cap, recall;
  uint8_t detect, cold, cold_same;
  uint8_t cold_format;
  uint64_t cold_bytes, seed;
};

void write_options(const KvOptions& o, ByteWriter& out) {
  PlainOptions p{};
  p.budget = o.budget;
  p.sinks = o.sinks;
  p.recent = o.recent;
  p.margin = o.anchor_margin;
  p.forks = o.forks;
  p.log = o.log;
  p.threshold = o.anchor_threshold;
  p.cap = o.anchor_cap;
  p.recall = o.recall_threshold;
  p.detect = o.anchor_detect ? 1 : 0;
  p.cold = static_cast<uint8_t>(o.cold);
  p.cold_same = o.cold_format ? 0 : 1;
  p.cold_format = o.cold_format ? static_cast<uint8_t>(*o.cold_format) : 0;
  p.cold_bytes = o.cold_bytes;
  p.seed = o.seed;
  out.put(p);
  out.text(o.policy);
  out.text(o.cold_path);
}

KvOptions read_options(ByteReader& in) {
  const auto p = in.get<PlainOptions>();
  KvOptions o;
  o.budget = p.budget;
  o.sinks = p.sinks;
  o.recent = p.recent;
  o.anchor_margin = p.margin;
  o.forks = p.forks;
  o.log = p.log;
  o.anchor_threshold = p.threshold;
  o.anchor_cap = p.cap;
  o.recall_threshold = p.recall;
  o.anchor_detect = p.detect != 0;
  if (p.cold > 2 || !kv_format_at(p.cold_format)) in.fail("holds an unknown kind of cold tier");
  o.cold = static_cast<KvOptions::Cold>(p.cold);
  if (p.cold_same == 0) o.cold_format = kv_format_at(p.cold_format);
  o.cold_bytes = p.cold_bytes;
  o.seed = p.seed;
  o.policy = in.text(kMostText);
  o.cold_path = in.text(kMostText);
  return o;
}

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

// What reads and writes the private parts of the memory's classes.
class SnapshotAccess {
 public:
  static void write(const AnchorIndex& x, ByteWriter& out) {
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

  static void read(AnchorIndex& x, ByteReader& in) {
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

  static void write(const KvSequence& sequence, ByteWriter& out) {
    out.put(sequence.next_position());
    for (int t = 0; t < sequence.n_tables(); ++t) {
      const auto positions = sequence.positions(t);
      out.list<int32_t>(positions);
      const auto scores = sequence.scores(t).first(positions.size());
      out.bytes(scores.data(), scores.size_bytes());
      const size_t n_pages = (positions.size() + kPageTokens - 1) / kPageTokens;
      for (size_t p = 0; p < n_pages; ++p) out.bytes(sequence.table(t)[p], sequence.layout().page_bytes());
    }
  }

  static Status read(KvSequence& sequence, ByteReader& in, int n_ctx) {
    const auto next = in.get<int32_t>();
    if (next < 0 || next > n_ctx) in.fail("holds a sequence of " + std::to_string(next) + " tokens");
    for (int t = 0; t < sequence.n_tables() && in.ok(); ++t) {
      const auto positions = in.list<int32_t>(static_cast<size_t>(sequence.capacity()));
      std::vector<uint32_t> scores(positions.size());
      in.bytes(scores.data(), scores.size() * sizeof(uint32_t));
      for (const int32_t p : positions) {
        if (p < 0 || p >= next) in.fail("holds position " + std::to_string(p) + " of " + std::to_string(next));
      }
      if (!in.ok()) break;
      KEDGE_TRY(sequence.restore(t, positions, scores));
      for (size_t slot = 0; slot < positions.size(); slot += kPageTokens) {
        in.bytes(sequence.page_for_write(t, static_cast<int>(slot)), sequence.layout().page_bytes());
      }
    }
    sequence.set_next_position(next);
    return in.status();
  }

  static Status write(const ColdStore& cold, ByteWriter& out) {
    const std::vector<uint64_t> ids = cold.blocks();
    out.put<uint64_t>(ids.size());
    for (const uint64_t id : ids) {
      KEDGE_ASSIGN(view, cold.view(id));
      out.put<uint8_t>(view.anchored ? 1 : 0);
      out.list<int32_t>(view.positions);
      out.bytes(view.data.data(), view.data.size());
    }
    return {};
  }

  static Status read(ColdStore& cold, ByteReader& in) {
    std::vector<std::byte> data(cold.block_bytes());
    for (size_t n = in.count(kMostThings, data.size()); n > 0 && in.ok(); --n) {
      ColdStore::BlockView view;
      view.anchored = in.get<uint8_t>() != 0;
      view.positions = in.list<int32_t>(kPageTokens);
      in.bytes(data.data(), data.size());
      view.data = data;
      if (in.ok()) KEDGE_TRY(cold.restore(view));
    }
    return in.status();
  }

  static void write(const KvMemory& m, ByteWriter& out, Status* status) {
    write_options(m.options_, out);
    write(m.sequence_, out);
    write(m.index_, out);
    out.put<uint8_t>(m.cold_ ? 1 : 0);
    if (m.cold_) *status = write(*m.cold_, out);
    out.list<uint64_t>(m.sink_attention_);
    out.list<uint64_t>(m.all_attention_);
    out.list<int32_t>(m.hot_);
    out.put(m.hot_until_);
    out.list<int32_t>(m.recalled_);
    out.put(m.counts_);
    out.put(m.evicted_entries_);
    out.put(m.retention_);
    out.put(m.log_.total());
    const std::vector<KvLogEntry> entries(m.log_.entries().begin(), m.log_.entries().end());
    out.list<KvLogEntry>(entries);
    out.put<uint64_t>(m.detached_.size());
    for (const DetachedReference& d : m.detached_) {
      out.put(d.position);
      out.put(d.first);
      out.put(d.last);
      out.put(d.statements);
      out.text(d.reference);
    }
  }

  // What the rest takes for granted.
  static void check(const KvMemory& m, ByteReader& in) {
    const auto first = m.sequence_.positions(0);
    for (int t = 1; t < m.sequence_.n_tables() && !m.per_table(); ++t) {
      const auto other = m.sequence_.positions(t);
      if (!std::equal(first.begin(), first.end(), other.begin(), other.end())) in.fail("has tables that disagree");
    }
    const auto outside = [&](const Segment& s) { return s.last > m.shape_.n_ctx; };
    for (const auto& [id, a] : m.index_.anchors()) {
      if (outside(a.at) || id >= m.index_.next_id_) in.fail("holds an anchor that cannot be");
    }
    for (const Anchor& a : m.index_.provisional()) {
      if (outside(a.at)) in.fail("holds an anchor that cannot be");
    }
  }

  static Status read_into(KvMemory& m, ByteReader& in) {
    KEDGE_TRY(read(m.sequence_, in, m.shape_.n_ctx));
    read(m.index_, in);
    check(m, in);
    if ((in.get<uint8_t>() != 0) != m.cold_.has_value()) in.fail("disagrees with itself about a cold tier");
    if (in.ok() && m.cold_) KEDGE_TRY(read(*m.cold_, in));
    const size_t n_tables = m.sink_attention_.size();
    m.sink_attention_ = in.list<uint64_t>(n_tables);
    m.all_attention_ = in.list<uint64_t>(n_tables);
    if (m.sink_attention_.size() != n_tables || m.all_attention_.size() != n_tables) in.fail("lost its attention sums");
    m.hot_ = in.list<int32_t>(kMostThings);
    m.hot_until_ = in.get<int32_t>();
    if (m.hot_until_ < 0 || m.hot_until_ > m.sequence_.next_position()) in.fail("disagrees with itself about its end");
    m.recalled_ = in.list<int32_t>(kMostThings);
    m.counts_ = in.get<KvCounts>();
    m.evicted_entries_ = in.get<uint64_t>();
    m.retention_ = in.get<uint64_t>();
    const auto total = in.get<uint64_t>();
    const auto entries = in.list<KvLogEntry>(kMostThings);
    m.log_.restore({entries.begin(), entries.end()}, total);
    for (size_t n = in.count(kMostThings, 8); n > 0 && in.ok(); --n) {
      DetachedReference d;
      d.position = in.get<int32_t>();
      d.first = in.get<int32_t>();
      d.last = in.get<int32_t>();
      d.statements = in.get<int32_t>();
      d.reference = in.text(kMostText);
      m.detached_.push_back(std::move(d));
    }
    return in.status();
  }
};

void write_memory(const KvMemory& memory, ByteWriter& out, Status* status) {
  SnapshotAccess::write(memory, out, status);
}

Result<std::unique_ptr<KvMemory>> read_memory(ByteReader& in, const KvShape& shape, const KernelTable& kernels,
                                              const std::string& cold_path) {
  KvOptions options = read_options(in);
  if (!in.ok()) return in.status().error();
  if (!cold_path.empty()) options.cold_path = cold_path;
  KEDGE_ASSIGN(memory, KvMemory::create(shape, options, kernels));
  KEDGE_TRY(SnapshotAccess::read_into(*memory, in));
  memory->disturb();
  return memory;
}

}  // namespace kedge::memory
