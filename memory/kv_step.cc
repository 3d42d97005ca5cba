#include "memory/kv_step.h"

#include <algorithm>
#include <string>
#include <utility>

namespace kedge::memory {

Result<KvStep> KvStep::begin(KvMemory& m, std::span<const std::string_view> texts, int wanted, const ThreadTeam& team) {
  if (wanted < 1 || (!texts.empty() && texts.size() < static_cast<size_t>(wanted))) {
    return Error{ErrorCode::kInvalidArgument, "KV memory: a step of " + std::to_string(wanted) + " tokens with " +
                                                  std::to_string(texts.size()) + " texts"};
  }
  KEDGE_TRY(m.settle(team));
  KEDGE_ASSIGN(room, m.make_room(team));
  int n = std::min(wanted, room);
  if (m.bounded()) {
    // Without texts nothing is mentioned.
    n = texts.empty() ? m.until_probe(n) : static_cast<int>(m.allowed(texts.first(static_cast<size_t>(n))));
  }
  KEDGE_TRY(m.sequence_.reserve(n));
  KvStep step;
  step.n_ = n;
  step.position_ = m.sequence_.next_position();
  step.watched_ = m.first_watched(n);
  step.probed_ = m.probed_row(n);
  if (!texts.empty()) step.texts_ = texts.first(static_cast<size_t>(n));
  if (step.watched_ < n) m.sequence_.keep_scores();
  if (step.probed_ >= 0) m.begin_probe();
  step.memory_ = &m;
  m.step_ = &step;
  return step;
}

KvStep::KvStep(KvStep&& o) noexcept { *this = std::move(o); }

KvStep& KvStep::operator=(KvStep&& o) noexcept {
  if (this == &o) return *this;
  end(true);
  memory_ = std::exchange(o.memory_, nullptr);
  texts_ = o.texts_;
  n_ = o.n_;
  position_ = o.position_;
  watched_ = o.watched_;
  probed_ = o.probed_;
  if (memory_ != nullptr) memory_->step_ = this;
  return *this;
}

KvStep::~KvStep() {
  if (memory_ != nullptr) memory_->disturb();
  end(true);
}

void KvStep::retract() { end(true); }

void KvStep::end(bool undo) {
  if (memory_ == nullptr) return;
  KvMemory& m = *std::exchange(memory_, nullptr);
  m.step_ = nullptr;
  if (!undo) return;
  if (watched_ < n_) m.sequence_.undo_scores();
  m.sequence_.unreserve();
  m.probed_blocks_.clear();
}

std::byte* KvStep::page_for_write(int table, int slot) const { return memory_->sequence_.page_for_write(table, slot); }

void KvStep::add_scores(int table, const float* mass, size_t stride, int n_rows, int group, int n_slots) const {
  memory_->add_scores(table, mass, stride, n_rows, group, n_slots);
}

void KvStep::probe(int table, const float* q, int group, float scale, const float* mass, size_t stride,
                   int n_slots) const {
  memory_->probe(table, q, group, scale, mass, stride, n_slots);
}

Status KvStep::commit(const ThreadTeam& team) {
  if (memory_ == nullptr) return Error{ErrorCode::kInvalidArgument, "KV memory: a step that is over"};
  KvMemory& m = *memory_;
  end(false);
  m.sequence_.commit(n_);
  if (!m.bounded()) return {};
  if (!texts_.empty()) return m.noted(texts_, team);
  const std::vector<std::string_view> none(static_cast<size_t>(n_));
  return m.noted(none, team);
}

}  // namespace kedge::memory
