// What left comes back: at its original position, from the cold tier; and what became of every token.
#include <algorithm>
#include <iterator>
#include <utility>

#include "memory/checksum.h"
#include "memory/kv_memory.h"

namespace kedge::memory {

namespace {
size_t to_size(int x) { return static_cast<size_t>(x); }
}  // namespace

// Half of the budget, of a small one what the floors leave for a statement; and nothing that hard pins hold.
int KvMemory::most_recalled() const {
  constexpr int kStatement = 32;
  const int floors = options_.sinks + options_.recent + eviction_quantum(budget());
  const int most = std::max(budget() / 2, std::min(kStatement, budget() - floors));
  return std::min(most, budget() - eviction_quantum(budget()) - hard_pinned(index_, sequence_.next_position()));
}

// The anchor's tokens that are not hot but cold, and, while there is room, its margins: what stood beside it helps to
// read it.
std::vector<int32_t> KvMemory::recallable(const Anchor& a) const {
  std::vector<int32_t> wanted;
  if (!cold_) return wanted;
  const std::vector<int32_t> hot = hot_positions();
  for (const int32_t margin : {options_.anchor_margin, 0}) {
    wanted.clear();
    for (int32_t p = std::max(a.at.first - margin, 0); p < a.at.last + margin; ++p) {
      if (!std::binary_search(hot.begin(), hot.end(), p) && cold_->contains(p)) wanted.push_back(p);
    }
    if (static_cast<int>(wanted.size()) <= most_recalled()) break;
  }
  return wanted;
}

// Of the anchors that a mention names as many as there is room for, in their order; one that alone is too large stays
// wanted, to be refused.
std::vector<int32_t> KvMemory::recallable(std::span<const uint32_t> anchors) const {
  std::vector<int32_t> wanted;
  for (const uint32_t id : anchors) {
    const auto found = index_.anchors().find(id);
    if (found == index_.anchors().end() || found->second.cold == 0) continue;  // its margins alone are no reason
    std::vector<int32_t> all;
    const std::vector<int32_t> more = recallable(found->second);
    std::set_union(wanted.begin(), wanted.end(), more.begin(), more.end(), std::back_inserter(all));
    if (wanted.empty() || static_cast<int>(all.size()) <= most_recalled()) wanted = std::move(all);
  }
  return wanted;
}

void KvMemory::refuse(const std::vector<int32_t>& wanted) {
  log_.add({.event = counts_.events,
            .position = sequence_.next_position(),
            .first = wanted.front(),
            .last = wanted.back() + 1,
            .why = KvWhy::kRefuse});
}

Status KvMemory::recall_if_room(const std::vector<int32_t>& wanted, const ThreadTeam& team) {
  if (static_cast<int>(wanted.size()) > most_recalled()) {
    if (!wanted.empty()) refuse(wanted);
    return {};
  }
  auto done = recall_positions(wanted, team);
  if (!done.ok()) return std::move(done).error();
  return {};
}

Result<KvMemory::Recalled> KvMemory::recall_positions(const std::vector<int32_t>& wanted, const ThreadTeam& team) {
  Recalled result;
  const int n = static_cast<int>(wanted.size());
  if (n == 0) return result;
  const int pinned = hard_pinned(index_, sequence_.next_position());
  const int most = most_recalled();
  if (n > most) {
    refuse(wanted);
    if (most == budget() / 2) {
      return Error{ErrorCode::kCapacity, "recalling " + std::to_string(n) +
                                             " tokens would take more than half of the KV budget of " +
                                             std::to_string(budget())};
    }
    return Error{ErrorCode::kCapacity, "recalling " + std::to_string(n) + " tokens: a KV budget of " +
                                           std::to_string(budget()) + " with " + std::to_string(pinned) +
                                           " in hard pins has room for " + std::to_string(std::max(most, 0))};
  }
  const uint64_t origin = std::exchange(origin_, 0);  // as in evict()
  if (sequence_.most_slots() + n >= budget()) KEDGE_TRY(evict(budget() - n - eviction_quantum(budget()), team));
  std::vector<int32_t> slots(to_size(sequence_.n_tables()));
  std::vector<int32_t> back;  // the others fell out of the cold tier when this recall made room
  std::copy_if(wanted.begin(), wanted.end(), std::back_inserter(back), [&](int32_t p) { return cold_->contains(p); });
  result.missing = n - static_cast<int>(back.size());
  if (back.empty()) return result;
  KEDGE_TRY(sequence_.reserve(static_cast<int>(back.size())));
  for (size_t i = 0; i < back.size(); ++i) {
    for (int t = 0; t < sequence_.n_tables(); ++t) slots[to_size(t)] = sequence_.slots(t) + static_cast<int>(i);
    KEDGE_TRY(cold_->get(back[i], sequence_, slots, *kernels_));
  }
  for (int t = 0; t < sequence_.n_tables(); ++t) sequence_.insert(t, back);
  hot_ = hot_positions();
  hot_until_ = sequence_.next_position();
  hot_.insert(hot_.end(), back.begin(), back.end());
  std::sort(hot_.begin(), hot_.end());
  ++counts_.events;
  counts_.recalled += back.size();
  result.recalled = static_cast<int>(back.size());
  log_runs(back, KvWhy::kRecall);
  retention_ = checksum(back.data(), back.size() * sizeof(int32_t), ~retention_);
  recalled_.insert(recalled_.end(), back.begin(), back.end());
  std::sort(recalled_.begin(), recalled_.end());
  look_again();
  origin_ = origin;
  return result;
}

Result<KvMemory::Recalled> KvMemory::recall(int32_t first, int32_t last, const ThreadTeam& team) {
  if (first < 0 || first >= last || last > sequence_.next_position()) {
    return Error{ErrorCode::kInvalidArgument, "cannot recall [" + std::to_string(first) + ", " + std::to_string(last) +
                                                  "): the sequence has " + std::to_string(sequence_.next_position()) +
                                                  " tokens"};
  }
  disturb();
  const std::vector<int32_t> hot = hot_positions();
  std::vector<int32_t> wanted;
  int missing = 0;
  for (int32_t p = first; p < last; ++p) {
    if (std::binary_search(hot.begin(), hot.end(), p)) continue;
    if (cold_ && cold_->contains(p)) {
      wanted.push_back(p);
    } else {
      ++missing;
    }
  }
  KEDGE_ASSIGN(done, recall_positions(wanted, team));
  done.missing += missing;
  return done;
}

Result<KvMemory::Recalled> KvMemory::recall_mentioned(std::string_view text, const ThreadTeam& team) {
  disturb();
  index_.detect();
  look_again();
  Recalled all;
  for (const uint32_t id : index_.mentioned_in(text)) {
    if (!index_.anchors().contains(id)) continue;  // forgotten while others came back
    index_.anchor(id).last_hit = sequence_.next_position();
    KEDGE_ASSIGN(done, recall_positions(recallable(index_.anchor(id)), team));
    all.recalled += done.recalled;
    all.missing += index_.anchor(id).missing();
  }
  return all;
}

std::vector<std::pair<int32_t, int32_t>> KvMemory::gone_runs() const {
  std::vector<std::pair<int32_t, int32_t>> runs;
  const auto add = [&](int32_t first, int32_t last) {
    for (int32_t p = first; p < last; ++p) {
      if (cold_ && cold_->contains(p)) continue;
      if (runs.empty() || runs.back().second != p) runs.emplace_back(p, p);
      ++runs.back().second;
    }
  };
  int32_t next = 0;
  for (const int32_t p : hot_positions()) {
    add(next, p);
    next = p + 1;
  }
  add(next, sequence_.next_position());
  return runs;
}

std::vector<KvMemory::TokenRun> KvMemory::token_runs() const {
  // Positions from first to last of the tokens hot in the first table; for policies that choose per table it stands
  // for all of them.
  std::vector<int32_t> hot(sequence_.positions(0).begin(), sequence_.positions(0).end());
  std::sort(hot.begin(), hot.end());
  const std::vector<TokenTag> tags = tags_of(hot, pins());
  std::vector<TokenRun> runs;
  const auto add = [&](int32_t first, int32_t last, TokenState state) {
    if (!runs.empty() && runs.back().state == state && runs.back().last == first) {
      runs.back().last = last;
    } else {
      runs.push_back({first, last, state});
    }
  };
  const auto add_absent = [&](int32_t first, int32_t last) {
    if (!cold_ && first < last) return add(first, last, TokenState::kLost);
    for (int32_t p = first; p < last; ++p) add(p, p + 1, cold_->contains(p) ? TokenState::kDemoted : TokenState::kLost);
  };
  int32_t next = 0;
  for (size_t i = 0; i < hot.size(); ++i) {
    add_absent(next, hot[i]);
    next = hot[i] + 1;
    TokenState state = TokenState::kKept;
    if (hot[i] < options_.sinks) {
      state = TokenState::kSink;
    } else if (std::binary_search(recalled_.begin(), recalled_.end(), hot[i])) {
      state = TokenState::kRecalled;
    } else if (tags[i].pin == PinClass::kSoft || tags[i].pin == PinClass::kHard) {
      state = TokenState::kPinned;
    } else if (i + to_size(options_.recent) >= hot.size()) {
      state = TokenState::kRecent;
    }
    add(hot[i], hot[i] + 1, state);
  }
  add_absent(next, sequence_.next_position());
  return runs;
}

}  // namespace kedge::memory
