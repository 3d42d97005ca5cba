#include "memory/snapshot.h"

#include <algorithm>

#include "memory/sizes.h"
#include "memory/snapshot_access.h"

namespace kedge::memory {

namespace {

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

}  // namespace

namespace {
size_t state_bytes(const KvSequence& s) { return static_cast<size_t>(s.arena().state_floats()) * sizeof(float); }
}  // namespace

// Tables, then windows, then the state: what of them there is follows from the shape and the next position.
void SnapshotAccess::write(const KvSequence& sequence, ByteWriter& out) {
  out.put(sequence.next_position());
  for (int t = 0; t < sequence.n_tables(); ++t) {
    const auto positions = sequence.positions(t);
    out.list<int32_t>(positions);
    const auto scores = sequence.scores(t);
    out.bytes(scores.data(), scores.size_bytes());
    const size_t n_pages = (positions.size() + kPageTokens - 1) / kPageTokens;
    for (size_t p = 0; p < n_pages; ++p) out.bytes(sequence.table(t)[p], sequence.layout().page_bytes());
  }
  const size_t window_page = sequence.arena().window_layout().page_bytes();
  sequence.windows().each_page([&](size_t, const std::byte* page) { out.bytes(page, window_page); });
  if (sequence.has_state() && sequence.next_position() > 0) out.bytes(sequence.state(), state_bytes(sequence));
}

Status SnapshotAccess::read(KvSequence& sequence, ByteReader& in, int n_ctx) {
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
  sequence.end_restore(next);
  if (!in.ok()) return in.status();
  KEDGE_TRY(sequence.restore_rest());
  const size_t window_page = sequence.arena().window_layout().page_bytes();
  sequence.windows().each_page([&](size_t, std::byte* page) { in.bytes(page, window_page); });
  if (float* state = sequence.state_to_fill()) in.bytes(state, state_bytes(sequence));
  return in.status();
}

Status SnapshotAccess::write(const ColdStore& cold, ByteWriter& out) {
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

Status SnapshotAccess::read(ColdStore& cold, ByteReader& in) {
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

// Two lists, as long as there are tables.
void SnapshotAccess::write(const Evictor& e, size_t n_tables, ByteWriter& out) {
  const std::vector<uint64_t> none(n_tables);
  out.list<uint64_t>(e.all_attention_.empty() ? none : e.sink_attention_);
  out.list<uint64_t>(e.all_attention_.empty() ? none : e.all_attention_);
}

void SnapshotAccess::read(Evictor& e, size_t n_tables, ByteReader& in) {
  e.sink_attention_ = in.list<uint64_t>(n_tables);
  e.all_attention_ = in.list<uint64_t>(n_tables);
  if (e.sink_attention_.size() != n_tables || e.all_attention_.size() != n_tables) in.fail("lost its attention sums");
}

void SnapshotAccess::write(const Ledger& l, ByteWriter& out) {
  out.list<int32_t>(l.hot_);
  out.put(l.hot_until_);
  out.list<int32_t>(l.recalled_);
  out.put(l.counts_);
  out.put(l.evicted_entries_);
  out.put(l.retention_);
  out.put(l.log_.total());
  const std::vector<KvLogEntry> entries(l.log_.entries().begin(), l.log_.entries().end());
  out.list<KvLogEntry>(entries);
  out.put<uint64_t>(l.detached_.size());
  for (const DetachedReference& d : l.detached_) {
    out.put(d.position);
    out.put(d.first);
    out.put(d.last);
    out.put(d.statements);
    out.text(d.reference);
  }
}

void SnapshotAccess::read(Ledger& l, int32_t next, ByteReader& in) {
  l.hot_ = in.list<int32_t>(kMostThings);
  l.hot_until_ = in.get<int32_t>();
  if (l.hot_until_ < 0 || l.hot_until_ > next) in.fail("disagrees with itself about its end");
  l.recalled_ = in.list<int32_t>(kMostThings);
  l.counts_ = in.get<KvCounts>();
  l.evicted_entries_ = in.get<uint64_t>();
  l.retention_ = in.get<uint64_t>();
  const auto total = in.get<uint64_t>();
  const auto entries = in.list<KvLogEntry>(kMostThings);
  l.log_.restore({entries.begin(), entries.end()}, total);
  for (size_t n = in.count(kMostThings, 8); n > 0 && in.ok(); --n) {
    DetachedReference d;
    d.position = in.get<int32_t>();
    d.first = in.get<int32_t>();
    d.last = in.get<int32_t>();
    d.statements = in.get<int32_t>();
    d.reference = in.text(kMostText);
    l.detached_.push_back(std::move(d));
  }
}

// What the rest takes for granted.
void SnapshotAccess::check(const KvParts& m, ByteReader& in) {
  const auto first = m.sequence.positions(0);
  for (int t = 1; t < m.sequence.n_tables() && !m.setup->per_table(); ++t) {
    const auto other = m.sequence.positions(t);
    if (!std::equal(first.begin(), first.end(), other.begin(), other.end())) in.fail("has tables that disagree");
  }
  const AnchorIndex& index = m.ledger.index();
  const auto outside = [&](const Segment& s) { return s.last > m.setup->shape.n_ctx; };
  for (const auto& [id, a] : index.anchors()) {
    if (outside(a.at) || id >= index.next_id_) in.fail("holds an anchor that cannot be");
  }
  for (const Anchor& a : index.provisional()) {
    if (outside(a.at)) in.fail("holds an anchor that cannot be");
  }
}

Status SnapshotAccess::write(const KvMemory& memory, ByteWriter& out) {
  KEDGE_TRY(memory.at_rest());
  const KvParts& m = memory.parts_;
  if (!m.recaller.settled()) {
    return Error{ErrorCode::kCapacity, "KV memory: recalls wait for pages of the arena; it cannot be saved before"};
  }
  write_options(m.setup->options, out);
  write(m.sequence, out);
  write(m.ledger.index(), out);
  out.put<uint8_t>(m.cold() != nullptr ? 1 : 0);
  if (m.cold() != nullptr) KEDGE_TRY(write(*m.cold(), out));
  write(m.evictor, to_size(m.sequence.n_tables()), out);
  write(m.ledger, out);
  return {};
}

Status SnapshotAccess::read(KvMemory& memory, ByteReader& in) {
  KvParts& m = memory.parts_;
  KEDGE_TRY(read(m.sequence, in, m.setup->shape.n_ctx));
  read(m.ledger.index(), in);
  check(m, in);
  ColdStore* cold = m.recaller.cold();
  if ((in.get<uint8_t>() != 0) != (cold != nullptr)) in.fail("disagrees with itself about a cold tier");
  if (in.ok() && cold != nullptr) KEDGE_TRY(read(*cold, in));
  read(m.evictor, to_size(m.sequence.n_tables()), in);
  read(m.ledger, m.next(), in);
  memory.disturb();  // what acted on it before is not known
  return in.status();
}

void write_memory(const KvMemory& memory, ByteWriter& out, Status* status) {
  *status = SnapshotAccess::write(memory, out);
}

Result<std::unique_ptr<KvMemory>> read_memory(ByteReader& in, const KvShape& shape, const KernelTable& kernels,
                                              const std::string& cold_path, std::shared_ptr<KvArena> arena) {
  KvOptions options = read_options(in);
  if (!in.ok()) return in.status().error();
  if (!cold_path.empty()) options.cold_path = cold_path;
  KEDGE_ASSIGN(memory, arena == nullptr ? KvMemory::create(shape, options, kernels)
                                        : KvMemory::create(shape, options, kernels, std::move(arena)));
  KEDGE_TRY(SnapshotAccess::read(*memory, in));
  return memory;
}

}  // namespace kedge::memory
