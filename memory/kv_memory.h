// The memory of one sequence: its pages, what is known about its tokens, the policy that decides what leaves, the cold
// tier that what left can be recalled from, and the record of all of it.
//
// How a session uses it: make_room() says how many tokens may come before the next event; allowed() cuts that at the
// next mention of something that has to be recalled; the step evaluates them, giving add_scores() the attention it was
// asked to watch; then noted() takes their text. What happens depends on the tokens and the options only, never on how
// a prompt is cut into steps or on the number of threads.
// One thread at a time; forks are independent.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/kernel_table.h"
#include "memory/anchor_index.h"
#include "memory/cold_store.h"
#include "memory/eviction/policy.h"
#include "memory/kv_log.h"
#include "memory/kv_options.h"
#include "memory/kv_sequence.h"
#include "memory/pins.h"

namespace kedge::memory {

class KvStep;

struct KvShape {
  KvLayout layout;
  int n_layers = 0;
  int n_kv_heads = 0;
  int n_ctx = 0;  // positions
};

class KvMemory {
 public:
  // Errors: kInvalidArgument (an option outside its range, an unknown policy), kCapacity, kIo (the cold file).
  static Result<std::unique_ptr<KvMemory>> create(const KvShape& shape, const KvOptions& options,
                                                  const KernelTable& kernels);
  // In an arena that sequences of other budgets, policies and cold tiers may share. `forks` does not matter then.
  // Errors: also kInvalidArgument (the arena's pages have another layout).
  static Result<std::unique_ptr<KvMemory>> create(const KvShape& shape, const KvOptions& options,
                                                  const KernelTable& kernels, std::shared_ptr<KvArena> arena);
  ~KvMemory();  // a step that is open is over

  KvSequence& sequence() { return sequence_; }
  const KvSequence& sequence() const { return sequence_; }
  const KvShape& shape() const { return shape_; }
  const KvOptions& options() const { return options_; }
  const EvictionPolicy& policy() const { return *policy_; }
  int n_ctx() const { return shape_.n_ctx; }
  int budget() const { return sequence_.capacity(); }
  bool bounded() const { return budget() < shape_.n_ctx; }  // something may have to leave

  // Pages that n more tokens take at most, with the copies of pages that others share.
  size_t pages_needed(int n) const;
  // Of the call that failed last: how many pages the arena was short of; 0 when it failed for another reason.
  size_t missing_pages() const { return sequence_.missing_pages(); }
  // Recalls that a committed step asked for and could not do for want of pages. Errors: as KvStep::commit().
  Status settle(const ThreadTeam& team);

  // Evicts when the budget is full. Returns how many tokens may be appended before the next event, at least 1.
  // Errors: kCapacity (the policy never evicts; the arena is full), kIo (the cold tier).
  Result<int> make_room(const ThreadTeam& team);
  // Of the texts of the next tokens: how many may be evaluated before a recall is due.
  size_t allowed(std::span<const std::string_view> texts) const;
  // Rows of the next step, from this one on, whose attention the policy wants; n: none.
  int first_watched(int n) const;
  // Adds what `n_rows` x `group` rows of attention gave the slots [0, n_slots) of a table, [rows][stride], to its
  // scores. Fixed-point: the order of calls does not matter.
  void add_scores(int table, const float* mass, size_t stride, int n_rows, int group, int n_slots);
  // The row of the next step, of n tokens, whose queries are held against the cold tier's keys; -1: none.
  int probed_row(int n) const;
  void begin_probe();  // before the step's first probe()
  // That row's queries, [group][head_dim_k] as the kernels get them, and what they gave the slots, [group][stride].
  // From any threads, for different tables.
  void probe(int table, const float* q, int group, float scale, const float* mass, size_t stride, int n_slots);
  // The tokens just committed have these texts: mentions are noted, and what they mention is recalled. Errors: as
  // recall().
  Status noted(std::span<const std::string_view> texts, const ThreadTeam& team);

  struct Refusal {
    int32_t first;
    int32_t last;
    std::string reason;
  };
  // Segments whose positions may lie ahead. Errors: kInvalidArgument (a range that is empty, negative or outside the
  // context; nothing is added then). Returns the hard pins that were refused; they became soft.
  Result<std::vector<Refusal>> add_segments(std::span<const Segment> segments);

  struct Recalled {
    int recalled = 0;
    int missing = 0;  // not hot, and in no cold tier
  };
  // Brings demoted tokens of [first, last) back, or of the anchors with that source id, or that the text mentions.
  // Errors: kCapacity (more than half of the budget), kCorrupt or kIo (the cold tier).
  Result<Recalled> recall(int32_t first, int32_t last, const ThreadTeam& team);
  Result<Recalled> recall_mentioned(std::string_view text, const ThreadTeam& team);

  Status truncate(int n, const ThreadTeam& team);
  // Shares all pages. Errors: kCapacity when the arena has no room for another sequence's tail.
  Result<std::unique_ptr<KvMemory>> fork() const;
  // The same for keeping: it can be forked and begun with, nothing else.
  std::unique_ptr<const KvMemory> freeze() const;
  // With how many of the first n tokens another memory of these options can begin and hold the bits that evaluating
  // them would give, whatever its segments are. 0 once tokens have left or come back: keys and values computed since
  // are others. Fewer than n when attention that later tokens gave has been counted in the scores.
  int usable(int n) const;
  // For a memory without tokens that shares the arena: takes the first n of `other`, n <= other.usable(n). Their texts
  // have to go to noted().
  void begin_with(const KvMemory& other, int n);

  const KvCounts& counts() const { return counts_; }
  const KvLog& log() const { return log_; }
  const std::deque<DetachedReference>& detached() const { return detached_; }  // the latest
  const AnchorIndex& index() const { return index_; }
  const std::optional<ColdStore>& cold() const { return cold_; }
  // A hash over the options, the metadata and every event: two sequences of the same tokens have the same keys and
  // values if and only if these agree.
  uint64_t retention() const { return retention_; }
  // A hash over the options and the segments given before the first token, as long as everything else followed from
  // those and the tokens: two sequences of the same tokens with the same origin are in the same state. 0 when it did
  // not, because of segments given later, a recall that was asked for, truncation, a step that stopped half way.
  uint64_t origin() const { return origin_; }
  void disturb() {
    origin_ = 0;
    probed_blocks_.clear();  // of a step that stopped half way
  }
  // Positions of tokens that are hot in every table, ascending.
  std::vector<int32_t> hot_positions() const;
  size_t slots_wasted() const;  // in pages, holding no token
  size_t metadata_bytes() const;

  enum class TokenState : uint8_t { kSink, kPinned, kRecent, kKept, kRecalled, kDemoted, kLost };
  struct TokenRun {
    int32_t first;
    int32_t last;
    TokenState state;
  };
  std::vector<TokenRun> token_runs() const;
  // What is gone: tokens that are not hot in every table and not cold, as runs of positions [first, last).
  std::vector<std::pair<int32_t, int32_t>> gone_runs() const;
  // Whether references in the text are looked for, so that one to something that is gone is reported.
  bool watches_references() const { return options_.anchor_detect && policy_->uses_metadata; }

  friend class SnapshotAccess;
  friend class KvStep;

 private:
  KvMemory(KvShape shape, KvOptions options, const EvictionPolicy& policy, const KernelTable& kernels,
           KvSequence sequence);
  int first_counted() const;
  int until_probe(int n) const;
  std::unique_ptr<KvMemory> copy_with(KvSequence sequence) const;
  bool per_table() const { return policy_->per_table && !cold_.has_value(); }
  PolicyKnobs knobs() const;
  Status evict(int n_keep, const ThreadTeam& team);
  std::vector<TagSpan> pins() const;
  struct Choice;
  Choice choose(int table, int n_keep, std::span<const TagSpan> spans) const;
  Status demote(const Choice& choice, std::vector<int32_t>* lost);
  void record(const Choice& choice, int table, KvWhy why);
  void age_scores();
  static constexpr int32_t kLocalTokens = 64;
  void watch_sinks();  // how much of the attention counted since the last event rests on the sinks
  bool idle(int table) const;
  bool probes() const { return cold_.has_value() && options_.recall_threshold > 0; }
  Status recall_probed(const ThreadTeam& team);
  void look_again();  // counts the anchors' tokens
  void note_victims(std::span<const Choice> choices);
  Result<Recalled> recall_positions(const std::vector<int32_t>& wanted, const ThreadTeam& team);
  int most_recalled() const;  // tokens at once
  // Recalls for what new text mentions or looks at: too many tokens at once are left where they are, and the log says
  // so.
  Status recall_if_room(const std::vector<int32_t>& wanted, const ThreadTeam& team);
  void refuse(const std::vector<int32_t>& wanted);
  std::vector<int32_t> recallable(const Anchor& anchor) const;
  std::vector<int32_t> recallable(std::span<const uint32_t> anchors) const;
  void lose(std::span<const int32_t> positions);
  void log_runs(std::span<const int32_t> positions, KvWhy why);  // ascending positions, as runs of neighbours
  void detach(const AnchorIndex::Hit& hit);

  KvShape shape_;
  KvOptions options_;
  const EvictionPolicy* policy_;
  const KernelTable* kernels_;
  KvSequence sequence_;
  AnchorIndex index_;
  std::optional<ColdStore> cold_;
  // By table: attention on the sinks and on all tokens, added up over the events.
  std::vector<uint64_t> sink_attention_;
  std::vector<uint64_t> all_attention_;
  std::vector<int32_t> hot_;       // positions hot in every table after the last event, ascending
  int32_t hot_until_ = 0;          // the next position at that time: tokens from there on are hot
  std::vector<int32_t> recalled_;  // positions that are hot because they were recalled, ascending
  KvLog log_;
  KvCounts counts_;
  uint64_t evicted_entries_ = 0;  // tokens times tables
  std::deque<DetachedReference> detached_;
  uint64_t retention_ = 0;
  std::vector<uint64_t> probed_blocks_;              // those that probe() looked at in this step
  std::vector<std::vector<uint32_t>> probe_shares_;  // [table][block]: the attention its keys could get
  uint64_t origin_ = 0;
  bool owns_arena_ = false;
  KvStep* step_ = nullptr;  // open
};

const char* token_state_name(KvMemory::TokenState state);

}  // namespace kedge::memory
