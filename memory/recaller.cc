#include "memory/recaller.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "memory/kv_parts.h"
#include "memory/sizes.h"

namespace kedge::memory {

Result<Recaller> Recaller::create(const KvSetup& setup) {
  Recaller made;
  if (!setup.has_cold()) return made;
  const KvOptions& o = setup.options;
  KvLayout layout = setup.shape.layout;
  if (o.cold_format) layout.format = *o.cold_format;
  KEDGE_ASSIGN(store, ColdStore::create(layout, setup.n_tables(), o.cold_bytes,
                                        o.cold == KvOptions::Cold::kFile ? o.cold_path : "", setup.probes()));
  made.cold_.emplace(std::move(store));
  return made;
}

int Recaller::until_event(const KvParts& m, std::span<const std::string_view> texts, int n) const {
  if (!cold_) return n;
  if (!texts.empty()) n = static_cast<int>(m.ledger.index().until_recall(texts.first(to_size(n))));
  return m.setup->probes() ? std::min(n, kProbeEvery - m.next() % kProbeEvery) : n;
}

void Recaller::note(KvParts& m, std::span<const std::string_view> texts, int n) {
  const int32_t first = m.next() - n;
  for (int i = 0; i < n; ++i) {
    m.ledger.index().note(first + i, texts.empty() ? std::string_view() : texts[to_size(i)], &hits_);
  }
}

Status Recaller::settle(KvParts& m, const ThreadTeam& team) {
  if (settled() && probed_blocks_.empty()) return {};
  Status status = go_through(m, team);
  if (!status.ok() && m.sequence.missing_pages() > 0) return status;
  if (!status.ok()) ask_.reset();
  hits_.clear();
  hit_ = 0;
  round_ = 0;
  return status;
}

Status Recaller::go_through(KvParts& m, const ThreadTeam& team) {
  for (; hit_ < hits_.size(); ++hit_, round_ = 0) {
    // Once more for what left to make room for the rest of it.
    for (; round_ < 2; ++round_) {
      if (work_) {
        KEDGE_TRY(go_on(m, team));
        continue;
      }
      std::vector<int32_t> wanted = recallable(m, hits_[hit_].anchors);
      if (wanted.empty()) break;
      KEDGE_TRY(recall_if_room(m, std::move(wanted), team));
    }
    m.ledger.note_mention(hits_[hit_]);
  }
  if (work_) KEDGE_TRY(go_on(m, team));
  return recall_probed(m, team);
}

// Half of the budget, of a small one what the floors leave for a statement; and nothing that hard pins hold.
int Recaller::most_recalled(const KvParts& m) const {
  constexpr int kStatement = 32;
  const KvSetup& setup = *m.setup;
  const int floors = setup.options.sinks + setup.options.recent + setup.quantum();
  const int most = std::max(setup.budget / 2, std::min(kStatement, setup.budget - floors));
  return std::min(most, setup.budget - setup.quantum() - hard_pinned(m.ledger.index(), m.next()));
}

// The anchor's tokens that are not hot but cold, and, while there is room, its margins: what stood beside it helps to
// read it.
std::vector<int32_t> Recaller::recallable(const KvParts& m, const Anchor& a) const {
  std::vector<int32_t> wanted;
  if (!cold_) return wanted;
  const std::vector<int32_t> hot = m.hot_positions();
  for (const int32_t margin : {m.setup->options.anchor_margin, 0}) {
    wanted.clear();
    for (int32_t p = std::max(a.at.first - margin, 0); p < a.at.last + margin; ++p) {
      if (!std::binary_search(hot.begin(), hot.end(), p) && cold_->contains(p)) wanted.push_back(p);
    }
    if (static_cast<int>(wanted.size()) <= most_recalled(m)) break;
  }
  return wanted;
}

// Of the anchors that a mention names as many as there is room for, in their order; one that alone is too large stays
// wanted, to be refused.
std::vector<int32_t> Recaller::recallable(const KvParts& m, std::span<const uint32_t> anchors) const {
  std::vector<int32_t> wanted;
  const auto& known = m.ledger.index().anchors();
  for (const uint32_t id : anchors) {
    const auto found = known.find(id);
    if (found == known.end() || found->second.cold == 0) continue;  // its margins alone are no reason
    std::vector<int32_t> all;
    const std::vector<int32_t> more = recallable(m, found->second);
    std::set_union(wanted.begin(), wanted.end(), more.begin(), more.end(), std::back_inserter(all));
    if (wanted.empty() || static_cast<int>(all.size()) <= most_recalled(m)) wanted = std::move(all);
  }
  return wanted;
}

// For what new text mentions or looks at: too many tokens at once are left where they are, and the log says so.
Status Recaller::recall_if_room(KvParts& m, std::vector<int32_t> wanted, const ThreadTeam& team) {
  if (static_cast<int>(wanted.size()) > most_recalled(m)) {
    if (!wanted.empty()) m.ledger.note_refused(wanted, m.next());
    return {};
  }
  KEDGE_TRY(begin(m, std::move(wanted)));
  return work_ ? go_on(m, team) : Status();
}

// A recall of these tokens, for go_on(); nothing of none.
Status Recaller::begin(KvParts& m, std::vector<int32_t> wanted) {
  m.sequence.forget_missing_pages();
  const int n = static_cast<int>(wanted.size());
  if (n == 0) return {};
  const int budget = m.setup->budget;
  const int most = most_recalled(m);
  if (n <= most) {
    work_ = Work{std::move(wanted)};
    return {};
  }
  m.ledger.note_refused(wanted, m.next());
  if (most == budget / 2) {
    return Error{ErrorCode::kCapacity, "recalling " + std::to_string(n) +
                                           " tokens would take more than half of the KV budget of " +
                                           std::to_string(budget)};
  }
  return Error{ErrorCode::kCapacity, "recalling " + std::to_string(n) + " tokens: a KV budget of " +
                                         std::to_string(budget) + " with " +
                                         std::to_string(hard_pinned(m.ledger.index(), m.next())) +
                                         " in hard pins has room for " + std::to_string(std::max(most, 0))};
}

// The recall under way, from where it stands. It stays so when it only lacks pages.
Status Recaller::go_on(KvParts& m, const ThreadTeam& team) {
  const uint64_t origin = m.ledger.begin_event();
  auto done = bring_back(m, team);
  const bool waits = !done.ok() && m.sequence.missing_pages() > 0;
  if (!waits) work_.reset();
  if (done.ok() || waits) m.ledger.end_event(origin);
  if (!done.ok()) return std::move(done).error();
  if (ask_) {
    ask_->answer.recalled += done->recalled;
    if (ask_->anchors.empty()) ask_->answer.missing += done->missing;
  }
  return {};
}

Result<Recalled> Recaller::bring_back(KvParts& m, const ThreadTeam& team) {
  KvSequence& sequence = m.sequence;
  const int n = static_cast<int>(work_->wanted.size());
  if (!work_->has_room && sequence.most_slots() + n >= m.setup->budget) {
    KEDGE_TRY(m.evictor.evict(m, m.setup->budget - n - m.setup->quantum(), team));
  }
  work_->has_room = true;
  std::vector<int32_t> back;  // the others fell out of the cold tier when this recall made room
  std::copy_if(work_->wanted.begin(), work_->wanted.end(), std::back_inserter(back),
               [&](int32_t p) { return cold_->contains(p); });
  const int n_back = static_cast<int>(back.size());
  if (back.empty()) return Recalled{0, n};
  KEDGE_TRY(sequence.reserve_back(n_back));
  std::vector<int32_t> slots(to_size(sequence.n_tables()));
  Status status;
  for (int i = 0; i < n_back && status.ok(); ++i) {
    for (int t = 0; t < sequence.n_tables(); ++t) slots[to_size(t)] = sequence.slots(t) + i;
    status = cold_->get(back[to_size(i)], sequence, slots, *m.setup->kernels);
  }
  if (!status.ok()) {
    sequence.unreserve();
    return std::move(status).error();
  }
  sequence.insert(back);
  m.ledger.note_back(back, m.next());
  m.look_again();
  return Recalled{n_back, n - n_back};
}

Status Recaller::ask(KvParts& m, std::string name, std::vector<int32_t> tokens, int missing) {
  KEDGE_TRY(begin(m, std::move(tokens)));
  ask_ = Ask{.name = std::move(name), .anchors = {}, .answer = {.recalled = 0, .missing = missing}};
  return {};
}

void Recaller::ask_mentioned(KvParts& m, std::string name, std::string_view text) {
  m.ledger.index().detect();
  m.look_again();
  ask_ = Ask{.name = std::move(name), .anchors = m.ledger.index().mentioned_in(text), .answer = {}};
}

Result<Recalled> Recaller::answer(KvParts& m, const ThreadTeam& team) {
  Status done = go_on_asked(m, team);
  if (!done.ok()) {
    if (m.sequence.missing_pages() == 0) ask_.reset();
    return std::move(done).error();
  }
  const Recalled answer = ask_->answer;
  ask_.reset();
  return answer;
}

Status Recaller::go_on_asked(KvParts& m, const ThreadTeam& team) {
  Ask& a = *ask_;
  AnchorIndex& index = m.ledger.index();
  for (;;) {
    if (work_) KEDGE_TRY(go_on(m, team));
    const auto known = [&] { return index.anchors().contains(a.anchors[a.next]); };
    if (a.begun) {
      if (known()) a.answer.missing += index.anchor(a.anchors[a.next]).missing();
      a.begun = false;
      ++a.next;
    }
    while (a.next < a.anchors.size() && !known()) ++a.next;  // forgotten while others came back
    if (a.next == a.anchors.size()) return {};
    Anchor& anchor = index.anchor(a.anchors[a.next]);
    anchor.last_hit = m.next();
    a.begun = true;
    KEDGE_TRY(begin(m, recallable(m, anchor)));
  }
}

size_t Recaller::bytes() const {
  size_t n = probed_blocks_.capacity() * sizeof(uint64_t) + hits_.capacity() * sizeof(AnchorIndex::Hit);
  for (const auto& shares : probe_shares_) n += sizeof shares + shares.capacity() * sizeof(uint32_t);
  return n;
}

}  // namespace kedge::memory
