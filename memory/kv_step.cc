#include "memory/kv_step.h"

#include <algorithm>
#include <string>
#include <utility>

#include "memory/sizes.h"

namespace kedge::memory {

namespace {

// How many tokens may be appended before the next eviction, at least 1, after one when the budget is full.
Result<int> make_room(KvParts& m, const ThreadTeam& team) {
  const KvSetup& setup = *m.setup;
  const int room = setup.budget - m.sequence.most_slots();
  if (room > 0) return room;
  if (!setup.bounded()) {
    return Error{ErrorCode::kCapacity, "context full: " + std::to_string(m.sequence.most_slots()) +
                                           " tokens are in the cache, which holds " + std::to_string(setup.budget)};
  }
  if (!setup.policy->evicts) {
    return Error{ErrorCode::kCapacity, "the KV budget of " + std::to_string(setup.budget) +
                                           " tokens is full and the policy '" + setup.options.policy +
                                           "' never evicts"};
  }
  KEDGE_TRY(m.evictor.evict(m, setup.budget - setup.quantum(), team));
  return setup.budget - m.sequence.most_slots();
}

// The rows of a step, from which one on, whose attention the policy wants; n: none.
int watched_from(const KvParts& m, int n) {
  if (!m.setup->counts_attention()) return n;
  return std::clamp(m.setup->first_counted() - m.sequence.most_slots(), 0, n);
}

}  // namespace

Result<KvStep> KvStep::begin(KvMemory& memory, std::span<const std::string_view> texts, int wanted,
                             const ThreadTeam& team, int certain) {
  if (wanted < 1 || (!texts.empty() && texts.size() < to_size(wanted))) {
    return Error{ErrorCode::kInvalidArgument, "KV memory: a step of " + std::to_string(wanted) + " tokens with " +
                                                  std::to_string(texts.size()) + " texts"};
  }
  KEDGE_TRY(memory.ready(team));
  KvParts& m = memory.parts_;
  KEDGE_ASSIGN(room, make_room(m, team));
  if (m.setup->shape.n_windowed() > 0) room = std::min(room, m.setup->shape.step_tokens);
  int n = m.recaller.until_event(m, texts, std::min(wanted, room));
  if (const int watched = watched_from(m, n); watched >= certain) n = watched;
  if (const int probed = m.recaller.probed_row(m, n); probed >= certain) n = probed;
  Result<KvStep> begun{KvStep()};
  KvStep& step = *begun;
  step.n_ = n;
  step.position_ = m.next();
  step.watched_ = watched_from(m, n);
  step.probed_ = m.recaller.probed_row(m, n);
  if (!texts.empty()) step.texts_ = texts.first(to_size(n));
  if (step.watched_ < n) m.sequence.want_scores();
  KEDGE_TRY(m.sequence.reserve(n));
  if (step.watched_ < n) m.sequence.keep_scores();
  if (step.probed_ >= 0) m.recaller.begin_probe(m);
  step.memory_ = &memory;
  memory.step_ = &step;
  return begun;
}

KvStep::KvStep(KvStep&& o) noexcept { *this = std::move(o); }

KvStep& KvStep::operator=(KvStep&& o) noexcept {
  if (this == &o) return *this;
  drop();
  memory_ = std::exchange(o.memory_, nullptr);
  texts_ = o.texts_;
  n_ = o.n_;
  position_ = o.position_;
  watched_ = o.watched_;
  probed_ = o.probed_;
  if (memory_ != nullptr) memory_->step_ = this;
  return *this;
}

KvStep::~KvStep() { drop(); }

void KvStep::drop() {
  if (memory_ != nullptr) memory_->parts_.ledger.disturb();
  retract();
}

void KvStep::retract() {
  if (memory_ == nullptr) return;
  KvMemory& memory = *std::exchange(memory_, nullptr);
  memory.step_ = nullptr;
  if (watched_ < n_) memory.parts_.sequence.undo_scores();
  memory.parts_.sequence.unreserve();
  memory.parts_.recaller.end_probe();
}

std::byte* KvStep::page_for_write(int table, int slot) const {
  return memory_->parts_.sequence.page_for_write(table, slot);
}

const float* KvStep::state() const { return sequence().has_state() ? sequence().state() : nullptr; }

float* KvStep::next_state() const { return sequence().has_state() ? memory_->parts_.sequence.next_state() : nullptr; }

void KvStep::add_scores(int table, const float* mass, size_t stride, int n_rows, int group, int n_slots) const {
  KvParts& m = memory_->parts_;
  if (table >= m.sequence.n_tables()) return;
  memory::add_scores(m.setup->policy->observe, m.sequence.scores_to_change(table), mass, stride, n_rows, group,
                     n_slots);
}

void KvStep::probe(int table, const float* q, int group, float scale, const float* mass, size_t stride,
                   int n_slots) const {
  KvParts& m = memory_->parts_;
  if (table >= m.sequence.n_tables()) return;
  m.recaller.probe(m, table, q, group, scale, mass, stride, n_slots);
}

Status KvStep::commit(const ThreadTeam& team, int n) {
  if (memory_ == nullptr) return Error{ErrorCode::kInvalidArgument, "KV memory: the step is over"};
  if (n < 1 || n > n_ || !can_keep(n)) {
    return Error{ErrorCode::kInvalidArgument,
                 "KV memory: " + std::to_string(n) + " of " + std::to_string(n_) + " tokens of a step cannot be kept"};
  }
  KvMemory& memory = *std::exchange(memory_, nullptr);
  memory.step_ = nullptr;
  KvParts& m = memory.parts_;
  if (n < n_ && watched_ < n_) m.sequence.undo_scores();
  m.sequence.commit(n);
  if (n < n_) m.sequence.unreserve();
  if (!m.setup->bounded()) return {};
  m.recaller.note(m, texts_.empty() ? texts_ : texts_.first(to_size(n)), n);
  return memory.settle(team);
}

}  // namespace kedge::memory
