#include "memory/kv_memory.h"

#include <algorithm>
#include <string>

#include "memory/kv_step.h"
#include "memory/sizes.h"

namespace kedge::memory {

namespace {

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

bool same_layout(const KvLayout& a, const KvLayout& b) {
  return a.format == b.format && a.head_dim_k == b.head_dim_k && a.head_dim_v == b.head_dim_v;
}

}  // namespace

Result<std::unique_ptr<KvMemory>> KvMemory::create(const KvShape& shape, const KvOptions& options,
                                                   const KernelTable& kernels) {
  KEDGE_ASSIGN(setup, KvSetup::make(shape, options, kernels));
  const size_t pages = KvSequence::pages_for(shape.n_layers, shape.n_kv_heads, setup->budget);
  KEDGE_ASSIGN(arena, KvArena::create(shape.layout, pages * to_size(options.forks)));
  KEDGE_ASSIGN(memory, create(shape, options, kernels, std::shared_ptr<KvArena>(std::move(arena))));
  memory->owns_arena_ = true;
  return memory;
}

Result<std::unique_ptr<KvMemory>> KvMemory::create(const KvShape& shape, const KvOptions& options,
                                                   const KernelTable& kernels, std::shared_ptr<KvArena> arena) {
  KEDGE_ASSIGN(setup, KvSetup::make(shape, options, kernels));
  if (!same_layout(arena->layout(), shape.layout)) return invalid("KV memory: the arena's pages have another layout");
  KEDGE_ASSIGN(recaller, Recaller::create(*setup));
  KvSequence sequence(std::move(arena), shape.n_layers, shape.n_kv_heads, setup->budget);
  Ledger ledger(*setup);
  KvParts parts{std::move(setup), std::move(sequence), std::move(ledger), Evictor(), std::move(recaller)};
  return std::unique_ptr<KvMemory>(new KvMemory(std::move(parts), false));
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
  parts_.sequence.forget_missing_pages();
  KEDGE_TRY(at_rest());
  return parts_.recaller.settle(parts_, team);
}

Status KvMemory::settle(const ThreadTeam& team) { return ready(team); }

Result<std::vector<PinRefusal>> KvMemory::add_segments(std::span<const Segment> segments) {
  KEDGE_TRY(ready(ThreadTeam()));
  return parts_.ledger.add_segments(setup(), segments, parts_.next());
}

Result<Recalled> KvMemory::recall(int32_t first, int32_t last, const ThreadTeam& team) {
  if (first < 0 || first >= last || last > parts_.next()) {
    return invalid("cannot recall [" + std::to_string(first) + ", " + std::to_string(last) + "): the sequence has " +
                   std::to_string(parts_.next()) + " tokens");
  }
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
  KEDGE_ASSIGN(done, parts_.recaller.recall(parts_, std::move(wanted), team));
  done.missing += missing;
  return done;
}

Result<Recalled> KvMemory::recall_mentioned(std::string_view text, const ThreadTeam& team) {
  KEDGE_TRY(ready(team));
  disturb();
  return parts_.recaller.recall_mentioned(parts_, text, team);
}

Status KvMemory::truncate(int n, const ThreadTeam& team) {
  KEDGE_TRY(ready(team));
  if (n >= parts_.next()) return {};
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
  const size_t tails = to_size(sequence().n_tables());
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
  return same_scores ? n : std::min(n, setup().first_counted());
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
