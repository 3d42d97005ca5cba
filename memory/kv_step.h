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
  // Errors: kInvalidArgument (a step is open; the sequence is swapped out; fewer texts than tokens); kIo (the cold
  // tier); kCapacity (the context is full; the policy never evicts; the arena has no pages: then
  // memory.missing_pages() > 0, nothing has changed but an eviction that was due, and it may be tried again).
  static Result<KvStep> begin(KvMemory& memory, std::span<const std::string_view> texts, int wanted,
                              const ThreadTeam& team);
  KvStep(KvStep&& other) noexcept;
  KvStep& operator=(KvStep&& other) noexcept;
  ~KvStep();

  int n() const { return n_; }                      // tokens of the step, at least 1
  int first_position() const { return position_; }  // of its first
  int first_watched() const { return watched_; }    // rows from here on have their attention counted; n(): none
  int probed_row() const { return probed_; }        // whose queries go to probe(); -1: none

  // The tables, where the step's tokens take the slots from slots(table) on.
  const KvLayout& layout() const { return sequence().layout(); }
  int table_of(int layer, int kv_head) const { return sequence().table_of(layer, kv_head); }
  int slots(int table) const { return sequence().slots(table); }  // before the step
  int most_slots() const { return sequence().most_slots(); }
  const std::byte* const* pages(int table) const { return sequence().table(table); }  // addresses, by slot / 32
  std::byte* page_for_write(int table, int slot) const;                               // the slot is one of the step's

  // Adds what `n_rows` x `group` rows of attention gave the slots [0, n_slots) of a table, [rows][stride], to its
  // scores. Fixed-point: the order of calls does not matter. From any threads, for different tables.
  void add_scores(int table, const float* mass, size_t stride, int n_rows, int group, int n_slots) const;
  // The probed row's queries, [group][head_dim_k] as the kernels get them, and what they gave the slots,
  // [group][stride]. From any threads, for different tables.
  void probe(int table, const float* q, int group, float scale, const float* mass, size_t stride, int n_slots) const;

  // The tokens are present, their mentions are noted, and what they mention comes back. The step is over, whatever is
  // returned: the tokens stay. Errors: of recalls, kCapacity, kIo, kCorrupt; when memory.missing_pages() > 0 they are
  // not done yet, and KvMemory::settle() or the next begin() goes on with them.
  Status commit(const ThreadTeam& team);
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
