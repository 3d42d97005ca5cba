// One step of a sequence as a transaction: begin() makes room, says how many tokens come before the next event and
// holds their pages; the step writes keys and values and reports the attention it was asked to watch; commit() counts
// the tokens as present. A step that is dropped instead leaves the sequence as it was, but for an eviction that begin()
// completed. Several sequences may have their steps open at the same time, one each; what would change a sequence
// while its step is open is refused.
// What happens depends on the tokens and the options only, never on how a text is cut into steps, on the number of
// threads or on other sequences of the arena.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "kernels/base/parallel.h"
#include "kernels/base/result.h"
#include "memory/kv_memory.h"

namespace kedge::memory {

class KvStep {
 public:
  // Evicts when the budget is full, then takes of the `wanted` next tokens (>= 1) as many as come before the next
  // event: room, a mention of something to be recalled, a probe. `texts` are those of the wanted tokens, valid until
  // the step ends; empty for a memory that reads none (one that is not bounded()), or when there is no text.
  // Behind the first `certain` tokens the others are guesses, of which commit() may keep fewer: a step ends before
  // those whose attention is counted or held against the cold tier.
  // Errors: kInvalidArgument (a step is open; the sequence is swapped out; fewer texts than tokens); kIo (the cold
  // tier); kCapacity (the context is full; the policy never evicts; the arena has no pages: then
  // memory.missing_pages() > 0, nothing has changed but an eviction that was due, and it may be tried again).
  static Result<KvStep> begin(KvMemory& memory, std::span<const std::string_view> texts, int wanted,
                              const ThreadTeam& team, int certain = kAll);
  static constexpr int kAll = 1 << 30;
  KvStep(KvStep&& other) noexcept;
  KvStep& operator=(KvStep&& other) noexcept;
  ~KvStep();

  int n() const { return n_; }                      // tokens of the step, at least 1
  int first_position() const { return position_; }  // of its first
  int first_watched() const { return watched_; }    // rows from here on have their attention counted; n(): none
  int probed_row() const { return probed_; }        // whose queries go to probe(); -1: none

  // The tables, where the step's tokens take the slots from slots(table) on. In a table of a layer with a window slots
  // are positions, and only the pages of what the step's rows may see are there.
  const KvLayout& layout() const { return sequence().layout(); }  // of tables without a window
  const KvLayout& layout_of(int table) const { return sequence().layout_of(table); }
  int table_of(int layer, int kv_head) const { return sequence().table_of(layer, kv_head); }
  int slots(int table) const { return sequence().slots(table); }                      // before the step
  int most_slots() const { return sequence().most_slots(); }                          // of tables without a window
  const std::byte* const* pages(int table) const { return sequence().table(table); }  // addresses, by slot / 32
  std::byte* page_for_write(int table, int slot) const;                               // the slot is one of the step's

  // The recurrent state, KvShape::state_floats: before the step (zeros before the first token), and behind it, which
  // the step has to fill whole. 64-byte aligned; null where the shape has none.
  const float* state() const;
  float* next_state() const;

  // Adds what `n_rows` x `group` rows of attention gave the slots [0, n_slots) of a table, [rows][stride], to its
  // scores. Fixed-point: the order of calls does not matter. From any threads, for different tables; a window's table
  // counts nothing.
  void add_scores(int table, const float* mass, size_t stride, int n_rows, int group, int n_slots) const;
  // The probed row's queries, [group][head_dim_k] as the kernels get them, and what they gave the slots,
  // [group][stride]. From any threads, for different tables.
  void probe(int table, const float* q, int group, float scale, const float* mass, size_t stride, int n_slots) const;

  // The tokens are present, their mentions are noted, and what they mention comes back. The step is over, whatever is
  // returned: the tokens stay. Errors: of recalls, kCapacity, kIo, kCorrupt; when memory.missing_pages() > 0 they are
  // not done yet, and KvMemory::settle() or the next begin() goes on with them.
  Status commit(const ThreadTeam& team) { return commit(team, n_); }
  // The same of its first n tokens, 1 to n(): what comes of them is what a step of so many would have left. Only where
  // can_keep(n): a recurrent state is behind all of them or none, and so are scores once one of n was counted.
  Status commit(const ThreadTeam& team, int n);
  bool can_keep(int n) const { return n == n_ || (watched_ >= n && probed_ < 0 && !sequence().has_state()); }
  // Ends the step without its tokens. Unlike dropping it, which may have happened half way through, this says that
  // nothing was done in it: the sequence keeps its origin().
  void retract();

 private:
  friend class KvMemory;
  KvStep() = default;
  void drop();
  const KvSequence& sequence() const { return memory_->sequence(); }

  KvMemory* memory_ = nullptr;  // null: over
  std::span<const std::string_view> texts_;
  int n_ = 0;
  int position_ = 0;
  int watched_ = 0;
  int probed_ = -1;
};

}  // namespace kedge::memory
