#include "memory/kv_memory.h"

#include <algorithm>
#include <string>

#include "memory/kv_step.h"
#include "memory/sizes.h"

namespace kedge::memory {

namespace {

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

bool same_layout(const KvLayout& a, const KvLayout& b) {
  return a.format == b.format && a.head_dim_k == b.head_dim_k && a.head_dim_v == b.head_dim_v && a.v_in_k == b.v_in_k;
}

// Whether sequences of the shape can live there.
bool fits(const KvShape& shape, const KvArena& arena) {
  return (shape.n_tables() == 0 || same_layout(arena.layout(), shape.layout)) &&
         (shape.n_windowed() == 0 || same_layout(arena.window_layout(), shape.window_layout)) &&
         arena.state_floats() == shape.state_floats;
}

}  // namespace

Result<std::unique_ptr<KvMemory>> KvMemory::create(const KvShape& shape, const KvOptions& options,
                                                   const KernelTable& kernels) {
  KEDGE_ASSIGN(setup, KvSetup::make(shape, options, kernels));
  const size_t pages = shape.pages_for(setup->budget, shape.n_ctx) + to_size(shape.kept) * shape.copy_pages();
  KEDGE_ASSIGN(arena, KvArena::create(shape, pages * to_size(options.forks)));
  KEDGE_ASSIGN(memory, create(shape, options, kernels, std::shared_ptr<KvArena>(std::move(arena))));
  memory->owns_arena_ = true;
  return memory;
}

Result<std::unique_ptr<KvMemory>> KvMemory::create(const KvShape& shape, const KvOptions& options,
                                                   const KernelTable& kernels, std::shared_ptr<KvArena> arena) {
  KEDGE_ASSIGN(setup, KvSetup::make(shape, options, kernels));
  if (!fits(shape, *arena)) return invalid("KV memory: the arena's pages have another layout");
  KEDGE_ASSIGN(parts, parts_of(std::move(setup), std::move(arena)));
  return std::unique_ptr<KvMemory>(new KvMemory(std::move(parts), false));
}

Result<KvParts> KvMemory::parts_of(std::shared_ptr<const KvSetup> setup, std::shared_ptr<KvArena> arena) {
  KEDGE_ASSIGN(recaller, Recaller::create(*setup));
  KvSequence sequence(std::move(arena), std::make_shared<const KvTables>(setup->shape), setup->budget,
                      setup->shape.step_tokens);
  Ledger ledger(*setup);
  return KvParts{std::move(setup), std::move(sequence), std::move(ledger), Evictor(), std::move(recaller)};
}

Result<std::unique_ptr<const KvMemory>> KvMemory::anew() const {
  KEDGE_ASSIGN(parts, parts_of(parts_.setup, parts_.sequence.shared_arena()));
  return std::unique_ptr<const KvMemory>(new KvMemory(std::move(parts), owns_arena_));
}

KvMemory::~KvMemory() {
  if (step_ != nullptr) step_->memory_ = nullptr;
}

Status KvMemory::at_rest() const {
  if (step_ != nullptr) return invalid("KV memory: a step is open");
  if (swapped_out()) return invalid("KV memory: the sequence is swapped out");
  return {};
}

// For what changes the sequence.
Status KvMemory::ready(const ThreadTeam& team) {
  KEDGE_TRY(settle(team));
  parts_.recaller.forget_ask();
  return {};
}

Status KvMemory::settle(const ThreadTeam& team) {
  parts_.sequence.forget_missing_pages();
  KEDGE_TRY(at_rest());
  return parts_.recaller.settle(parts_, team);
}

Result<std::vector<PinRefusal>> KvMemory::add_segments(std::span<const Segment> segments) {
  KEDGE_TRY(ready(ThreadTeam()));
  return parts_.ledger.add_segments(setup(), segments, parts_.next());
}

Result<Recalled> KvMemory::recall(int32_t first, int32_t last, const ThreadTeam& team) {
  if (first < 0 || first >= last || last > parts_.next()) {
    return invalid("cannot recall [" + std::to_string(first) + ", " + std::to_string(last) + "): the sequence has " +
                   std::to_string(parts_.next()) + " tokens");
  }
  std::string name = std::to_string(first) + "-" + std::to_string(last);
  if (parts_.recaller.is_asked(name)) return go_on_recalling(team);
  KEDGE_TRY(ready(team));
  disturb();
  const std::vector<int32_t> hot = hot_positions();
  std::vector<int32_t> wanted;
  int missing = 0;
  for (int32_t p = first; p < last; ++p) {
    if (std::binary_search(hot.begin(), hot.end(), p)) continue;
    if (cold() != nullptr && cold()->contains(p)) {
      wanted.push_back(p);
    } else {
      ++missing;
    }
  }
  KEDGE_TRY(parts_.recaller.ask(parts_, std::move(name), std::move(wanted), missing));
  return parts_.recaller.answer(parts_, team);
}

Result<Recalled> KvMemory::recall_mentioned(std::string_view text, const ThreadTeam& team) {
  std::string name = "mentioned: " + std::string(text);
  if (parts_.recaller.is_asked(name)) return go_on_recalling(team);
  KEDGE_TRY(ready(team));
  disturb();
  parts_.recaller.ask_mentioned(parts_, std::move(name), text);
  return parts_.recaller.answer(parts_, team);
}

Result<Recalled> KvMemory::go_on_recalling(const ThreadTeam& team) {
  parts_.sequence.forget_missing_pages();
  KEDGE_TRY(at_rest());
  return parts_.recaller.answer(parts_, team);
}

Status KvMemory::truncate(int n, const ThreadTeam& team) {
  KEDGE_TRY(ready(team));
  if (n >= parts_.next()) return {};
  if (!can_truncate(n)) {
    return invalid("KV memory: it cannot go back from " + std::to_string(parts_.next()) + " tokens to " +
                   std::to_string(n) +
                   (shape().state_floats > 0 ? ": a recurrent state has no way back"
                                             : ": windows have let go of what was seen there"));
  }
  disturb();
  KEDGE_TRY(parts_.sequence.truncate(n, team));
  parts_.ledger.forget_from(n);
  if (ColdStore* cold = parts_.recaller.cold()) cold->drop_from(n);
  parts_.look_again();
  return {};
}

void KvMemory::disturb() {
  parts_.ledger.disturb();
  parts_.recaller.end_probe();
}

KvParts KvMemory::copy() const {
  return {parts_.setup, parts_.sequence.fork(), parts_.ledger, parts_.evictor, parts_.recaller};
}

Result<std::unique_ptr<KvMemory>> KvMemory::fork() const {
  KEDGE_TRY(at_rest());
  const KvArena& arena = sequence().arena();
  const size_t free = arena.pages_total() - arena.pages_in_use();
  const size_t tails = to_size(sequence().n_all_tables()) + 2 * arena.state_pages();
  if (owns_arena_ && !arena.reclaims() && free < tails) {
    return Error{ErrorCode::kCapacity, "KV arena: " + std::to_string(free) + " of " +
                                           std::to_string(arena.pages_total()) + " pages are free, a fork needs " +
                                           std::to_string(tails) + " of its own; it is made for " +
                                           std::to_string(options().forks) + " sequence(s) (option forks)"};
  }
  return std::unique_ptr<KvMemory>(new KvMemory(copy(), owns_arena_));
}

Result<std::unique_ptr<const KvMemory>> KvMemory::freeze() const {
  KEDGE_TRY(at_rest());
  return std::unique_ptr<const KvMemory>(new KvMemory(copy(), owns_arena_));
}

int KvMemory::usable(const KvMemory& other, int n) const {
  if (&sequence().arena() != &other.sequence().arena() || other.counts().events > 0) return 0;
  const int all = other.sequence().next_position();
  n = std::min({n, all, budget()});
  const bool same_scores = n == all && other.origin() != 0 && setup().hash() == other.setup().hash();
  if (!same_scores) n = std::min(n, setup().first_counted());
  return other.can_truncate(n) ? n : 0;
}

Status KvMemory::begin_with(const KvMemory& other, int n, std::span<const std::string_view> texts) {
  KEDGE_TRY(ready(ThreadTeam()));
  KEDGE_TRY(other.at_rest());
  if (parts_.next() > 0 || n > usable(other, n)) {
    return invalid("KV memory: " + std::to_string(n) + " tokens of another memory are not to be had");
  }
  parts_.sequence.begin_with(other.parts_.sequence, n, n > setup().first_counted());
  if (!bounded()) return {};
  parts_.recaller.note(parts_, texts, n);
  return parts_.recaller.settle(parts_, ThreadTeam());
}

Result<KvCheckpoint> KvMemory::checkpoint() {
  KEDGE_TRY(at_rest());
  KvCheckpoint made;
  made.state_ = std::make_shared<const KvCheckpoint::State>(
      KvCheckpoint::State{parts_.sequence.mark(), parts_.ledger, parts_.evictor, parts_.recaller});
  return made;
}

Status KvMemory::rollback(const KvCheckpoint& to) {
  parts_.sequence.forget_missing_pages();
  KEDGE_TRY(at_rest());
  if (to.state_ == nullptr || !parts_.sequence.has(*to.state_->mark)) {
    return invalid("KV memory: this is no checkpoint of the sequence");
  }
  parts_.sequence.rollback(*to.state_->mark);
  parts_.ledger = to.state_->ledger;
  parts_.evictor = to.state_->evictor;
  parts_.recaller = to.state_->recaller;
  return {};
}

Status KvMemory::become(const KvMemory& other) {
  parts_.sequence.forget_missing_pages();
  KEDGE_TRY(at_rest());
  KEDGE_TRY(other.at_rest());
  if (&sequence().arena() != &other.sequence().arena() || parts_.setup != other.parts_.setup) {
    return invalid("KV memory: this is no copy of the sequence");
  }
  parts_.sequence.become(other.parts_.sequence);
  parts_.ledger = other.parts_.ledger;
  parts_.evictor = other.parts_.evictor;
  parts_.recaller = other.parts_.recaller;
  return {};
}

Status KvMemory::swap_out(SpillFile& file) {
  parts_.sequence.forget_missing_pages();
  KEDGE_TRY(at_rest());
  return parts_.sequence.swap_out(file);
}

Status KvMemory::swap_in() { return parts_.sequence.swap_in(); }

size_t KvMemory::metadata_bytes() const {
  return sizeof *this - sizeof parts_.ledger + parts_.sequence.metadata_bytes() + parts_.ledger.bytes() +
         parts_.evictor.bytes() + parts_.recaller.bytes();
}

}  // namespace kedge::memory
