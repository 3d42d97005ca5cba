// The memory of one sequence: its pages, what is known about its tokens, the policy that decides what leaves, the cold
// tier that what left can be recalled from, and the record of all of it. The parts are kv_sequence, ledger, evictor and
// recaller; tokens come in through a KvStep (memory/kv_step.h).
// What happens depends on the tokens and the options only: never on how a text is cut into steps, on threads, or on
// other sequences of the arena. Where an error has missing_pages() > 0, the arena was too full: nothing has changed but
// an eviction that was due, and the same call succeeds, with the same bits, once others have given pages back.
// One thread at a time; forks are independent.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "memory/kv_parts.h"
#include "memory/spill_file.h"

namespace kedge::memory {

class KvCheckpoint;
class KvStep;

class KvMemory {
 public:
  // In an arena of its own. Errors: kInvalidArgument (an option outside its range, an unknown policy), kCapacity, kIo
  // (the cold file).
  static Result<std::unique_ptr<KvMemory>> create(const KvShape& shape, const KvOptions& options,
                                                  const KernelTable& kernels);
  // In an arena that sequences of other contexts, budgets, policies and cold tiers share; `forks` does not matter then.
  // Errors: also kInvalidArgument (the arena's pages have another layout).
  static Result<std::unique_ptr<KvMemory>> create(const KvShape& shape, const KvOptions& options,
                                                  const KernelTable& kernels, std::shared_ptr<KvArena> arena);
  ~KvMemory();  // a step that is open is over

  const KvSequence& sequence() const { return parts_.sequence; }
  const KvSetup& setup() const { return *parts_.setup; }
  const KvShape& shape() const { return setup().shape; }
  const KvOptions& options() const { return setup().options; }
  const EvictionPolicy& policy() const { return *setup().policy; }
  int n_ctx() const { return shape().n_ctx; }
  int budget() const { return setup().budget; }
  bool bounded() const { return setup().bounded(); }  // something may have to leave

  // Pages that n more tokens take at most, with the copies of pages that others share.
  size_t pages_needed(int n) const { return parts_.sequence.pages_needed(n); }
  // Of the call that failed last: how many pages the arena was short of; 0 when it failed for another reason.
  size_t missing_pages() const { return parts_.sequence.missing_pages(); }

  // Recalls that a committed step, or recall(), has asked for and could not finish for want of pages. Every other call
  // that changes something does this first. Errors: kCapacity (the arena), kIo and kCorrupt (the cold tier).
  Status settle(const ThreadTeam& team);
  bool settled() const { return parts_.recaller.settled(); }

  // Segments whose positions may lie ahead. Errors: kInvalidArgument (a range that is empty, negative or outside the
  // context; nothing is added then). Returns the hard pins that were refused; they became soft.
  using Refusal = PinRefusal;
  Result<std::vector<Refusal>> add_segments(std::span<const Segment> segments);
  // Brings demoted tokens of [first, last) back, or of the anchors with that source id, or that the text mentions.
  // The same call again, after one that lacked pages, goes on with it and says what both have done.
  // Errors: kCapacity (more than half of the budget; the arena), kCorrupt or kIo (the cold tier).
  using Recalled = memory::Recalled;
  Result<Recalled> recall(int32_t first, int32_t last, const ThreadTeam& team);
  Result<Recalled> recall_mentioned(std::string_view text, const ThreadTeam& team);
  // Forgets the tokens from position n on. Errors: also kInvalidArgument (it cannot go back there).
  Status truncate(int n, const ThreadTeam& team);
  // Whether it can: a recurrent state goes back to the beginning only, a window as far as its pages are there.
  bool can_truncate(int n) const { return parts_.sequence.can_truncate(n); }

  // A second memory in the same state; shares all pages. Errors: kCapacity when an arena of its own has no room for
  // another sequence's tail; kInvalidArgument (a step is open; the sequence is swapped out).
  Result<std::unique_ptr<KvMemory>> fork() const;
  // The same for keeping: to be forked and begun with.
  Result<std::unique_ptr<const KvMemory>> freeze() const;
  // One without tokens, segments and history, in the same arena. Errors: kCapacity, kIo (the cold file).
  Result<std::unique_ptr<const KvMemory>> anew() const;
  // With how many of the first n tokens of another memory of this arena this one, without tokens, can begin and hold
  // the bits that evaluating them would give, whatever the other's options and segments are. 0 once tokens have left or
  // come back there: keys and values computed since are others. Fewer than n when attention that later tokens gave
  // would have been counted in the scores; 0 when the other one cannot go back to them.
  int usable(const KvMemory& other, int n) const;
  // Takes the first n of them, with these texts; n <= usable(other, n).
  Status begin_with(const KvMemory& other, int n, std::span<const std::string_view> texts);

  // What this sequence is now, and back to it: everything later is as if the tokens since had never been evaluated.
  // Costs what is known about the tokens; pages are copied only where they change. Errors: kInvalidArgument (a step is
  // open; the sequence is swapped out; not a checkpoint of this sequence).
  Result<KvCheckpoint> checkpoint();
  Status rollback(const KvCheckpoint& to);

  // What a fork of it is, or what it was forked of, or anew(): the same from there on, sharing all pages. Checkpoints
  // stay.
  // Errors: kInvalidArgument (a step is open; one is swapped out; it is none).
  Status become(const KvMemory& other);

  // A sequence that has to wait gives all its pages back and gets them again later, with the same bytes: everything
  // else stays as it is. In between nothing can be done with it. Pages that others share become copies of its own.
  // Errors: kIo (the file); kCorrupt (a checksum); kCapacity (the arena). Nothing changes then.
  Status swap_out(SpillFile& file);
  Status swap_in();
  bool swapped_out() const { return parts_.sequence.swapped_out(); }

  // The record.
  const KvCounts& counts() const { return parts_.ledger.counts(); }
  const KvLog& log() const { return parts_.ledger.log(); }
  const std::deque<DetachedReference>& detached() const { return parts_.ledger.detached(); }
  const AnchorIndex& index() const { return parts_.ledger.index(); }
  const ColdStore* cold() const { return parts_.recaller.cold(); }
  uint64_t retention() const { return parts_.ledger.retention(); }
  uint64_t origin() const { return parts_.ledger.origin(); }
  // Positions of tokens that are hot in every table, ascending.
  std::vector<int32_t> hot_positions() const { return parts_.hot_positions(); }
  using TokenState = memory::TokenState;
  std::vector<TokenRun> token_runs() const { return memory::token_runs(parts_); }
  std::vector<std::pair<int32_t, int32_t>> gone_runs() const { return memory::gone_runs(parts_); }
  // Whether references in the text are looked for, so that one to something that is gone is reported.
  bool watches_references() const { return options().anchor_detect && policy().uses_metadata; }
  size_t slots_wasted() const { return parts_.sequence.slots_wasted(); }  // in pages, holding no token
  // Of all that is held beside pages and the cold tier.
  size_t metadata_bytes() const;

  friend class SnapshotAccess;
  friend class KvStep;

 private:
  KvMemory(KvParts parts, bool owns_arena) : parts_(std::move(parts)), owns_arena_(owns_arena) {}
  static Result<KvParts> parts_of(std::shared_ptr<const KvSetup> setup, std::shared_ptr<KvArena> arena);
  KvParts copy() const;
  Status at_rest() const;
  Status ready(const ThreadTeam& team);
  Result<Recalled> go_on_recalling(const ThreadTeam& team);
  void disturb();

  KvParts parts_;
  bool owns_arena_;
  KvStep* step_ = nullptr;  // open
};

// Of one memory, whose thread it belongs to. Copies are the same checkpoint.
class KvCheckpoint {
 public:
  KvCheckpoint() = default;  // of none

 private:
  friend class KvMemory;
  struct State {
    std::shared_ptr<const KvSequence::Mark> mark;
    Ledger ledger;
    Evictor evictor;
    Recaller recaller;
  };
  std::shared_ptr<const State> state_;
};

}  // namespace kedge::memory
