// What became of every token.
#include <algorithm>

#include "memory/kv_parts.h"
#include "memory/sizes.h"

namespace kedge::memory {

const char* token_state_name(TokenState state) {
  constexpr const char* kNames[] = {"sink", "pinned", "recent", "kept", "recalled", "demoted", "lost"};
  return kNames[static_cast<size_t>(state)];
}

namespace {

class Runs {
 public:
  explicit Runs(const ColdStore* cold) : cold_(cold) {}
  void add(int32_t first, int32_t last, TokenState state) {
    if (first == last) return;
    if (!runs.empty() && runs.back().state == state && runs.back().last == first) {
      runs.back().last = last;
    } else {
      runs.push_back({first, last, state});
    }
  }
  void add_absent(int32_t first, int32_t last) {
    if (cold_ == nullptr) return add(first, last, TokenState::kLost);
    for (int32_t p = first; p < last; ++p) {
      add(p, p + 1, cold_->contains(p) ? TokenState::kDemoted : TokenState::kLost);
    }
  }
  std::vector<TokenRun> runs;

 private:
  const ColdStore* cold_;
};

}  // namespace

std::vector<TokenRun> token_runs(const KvParts& m) {
  // The tokens hot in the first table; for policies that choose per table it stands for all of them.
  const auto by_slot = m.sequence.positions(0);
  std::vector<int32_t> hot(by_slot.begin(), by_slot.end());
  std::sort(hot.begin(), hot.end());
  const std::vector<TokenTag> tags = tags_of(hot, m.evictor.pins(m));
  const auto& recalled = m.ledger.recalled();
  Runs runs(m.cold());
  int32_t next = 0;
  for (size_t i = 0; i < hot.size(); ++i) {
    runs.add_absent(next, hot[i]);
    next = hot[i] + 1;
    TokenState state = TokenState::kKept;
    if (hot[i] < m.setup->options.sinks) {
      state = TokenState::kSink;
    } else if (std::binary_search(recalled.begin(), recalled.end(), hot[i])) {
      state = TokenState::kRecalled;
    } else if (tags[i].pin == PinClass::kSoft || tags[i].pin == PinClass::kHard) {
      state = TokenState::kPinned;
    } else if (i + to_size(m.setup->options.recent) >= hot.size()) {
      state = TokenState::kRecent;
    }
    runs.add(hot[i], hot[i] + 1, state);
  }
  runs.add_absent(next, m.next());
  return std::move(runs.runs);
}

std::vector<std::pair<int32_t, int32_t>> gone_runs(const KvParts& m) {
  std::vector<std::pair<int32_t, int32_t>> runs;
  const auto add = [&](int32_t first, int32_t last) {
    for (int32_t p = first; p < last; ++p) {
      if (m.cold() != nullptr && m.cold()->contains(p)) continue;
      if (runs.empty() || runs.back().second != p) runs.emplace_back(p, p);
      ++runs.back().second;
    }
  };
  int32_t next = 0;
  for (const int32_t p : m.hot_positions()) {
    add(next, p);
    next = p + 1;
  }
  add(next, m.next());
  return runs;
}

}  // namespace kedge::memory
