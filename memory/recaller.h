// What comes back to a sequence: the cold tier, mentions in new text, keys of cold blocks held against what the text
// asks for now. A recall that finds no pages in the arena waits, and goes on later at the very point where it stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/parallel.h"
#include "memory/anchor_index.h"
#include "memory/cold_store.h"
#include "memory/kv_setup.h"

namespace kedge::memory {

struct KvParts;

struct Recalled {
  int recalled = 0;
  int missing = 0;  // not hot, and in no cold tier
};

class Recaller {
 public:
  // Errors: kCapacity, kIo (the cold tier).
  static Result<Recaller> create(const KvSetup& setup);
  ColdStore* cold() { return cold_ ? &*cold_ : nullptr; }
  const ColdStore* cold() const { return cold_ ? &*cold_ : nullptr; }

  // Of the next n tokens, with these texts or none, how many come before something may have to be recalled.
  int until_event(const KvParts& m, std::span<const std::string_view> texts, int n) const;
  // The row of the next step, of n tokens, whose queries are held against the cold tier's keys; -1: none.
  int probed_row(const KvParts& m, int n) const;
  void begin_probe(const KvParts& m);
  void end_probe() { probed_blocks_.clear(); }
  // That row's queries, [group][head_dim_k] as the kernels get them, and what they gave the slots, [group][stride].
  void probe(const KvParts& m, int table, const float* q, int group, float scale, const float* mass, size_t stride,
             int n_slots);

  // The tokens just committed have these texts, or `n` of them none: what they mention is wanted.
  void note(KvParts& m, std::span<const std::string_view> texts, int n);
  // Brings back what is wanted, mention after mention, and reports what cannot be. Errors: kCapacity (the arena; the
  // rest stays wanted), kIo, kCorrupt (the cold tier; the rest is given up).
  Status settle(KvParts& m, const ThreadTeam& team);
  bool settled() const { return hits_.empty() && !work_; }

  // Brings back what was asked for: demoted tokens, or what a text mentions. One that lacked pages stays asked for, by
  // its name: its answer() may be had again, goes on where it stopped and counts everything since it was asked.
  // Whatever else happens to the sequence forgets it, once settle() has finished what had begun. Errors: kCapacity (too
  // many at once; the arena), kCorrupt or kIo (the cold tier).
  bool is_asked(std::string_view name) const { return ask_ && ask_->name == name; }
  Status ask(KvParts& m, std::string name, std::vector<int32_t> tokens, int missing);
  void ask_mentioned(KvParts& m, std::string name, std::string_view text);
  Result<Recalled> answer(KvParts& m, const ThreadTeam& team);
  void forget_ask() { ask_.reset(); }

  size_t bytes() const;  // without the cold tier

  friend class SnapshotAccess;

 private:
  Status go_through(KvParts& m, const ThreadTeam& team);
  Status recall_if_room(KvParts& m, std::vector<int32_t> wanted, const ThreadTeam& team);
  Status recall_probed(KvParts& m, const ThreadTeam& team);
  Status go_on_asked(KvParts& m, const ThreadTeam& team);
  Status begin(KvParts& m, std::vector<int32_t> wanted);
  Status go_on(KvParts& m, const ThreadTeam& team);
  Result<Recalled> bring_back(KvParts& m, const ThreadTeam& team);
  int most_recalled(const KvParts& m) const;  // tokens at once
  std::vector<int32_t> recallable(const KvParts& m, const Anchor& anchor) const;
  std::vector<int32_t> recallable(const KvParts& m, std::span<const uint32_t> anchors) const;

  std::optional<ColdStore> cold_;
  std::vector<uint64_t> probed_blocks_;              // those that probe() looked at in this step
  std::vector<std::vector<uint32_t>> probe_shares_;  // [table][block]: the attention its keys could get

  // Mentions of which something may have to come back, and how far that is.
  std::vector<AnchorIndex::Hit> hits_;
  size_t hit_ = 0;
  int round_ = 0;
  struct Work {  // a recall under way
    std::vector<int32_t> wanted;
    bool has_room = false;
  };
  std::optional<Work> work_;
  struct Ask {
    std::string name;
    std::vector<uint32_t> anchors;  // that the text mentions
    size_t next = 0;                // of them
    bool begun = false;             // the next one
    Recalled answer;
  };
  std::optional<Ask> ask_;
};

}  // namespace kedge::memory
