// The parts of a sequence's memory. What an operation needs of the others it is given here; none keeps a pointer to
// another, so that copying the parts copies the memory.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "memory/evictor.h"
#include "memory/kv_sequence.h"
#include "memory/kv_setup.h"
#include "memory/ledger.h"
#include "memory/recaller.h"

namespace kedge::memory {

struct KvParts {
  std::shared_ptr<const KvSetup> setup;
  KvSequence sequence;  // the pages
  Ledger ledger;        // what is known about the tokens
  Evictor evictor;      // what leaves
  Recaller recaller;    // what comes back, and where it waits

  int32_t next() const { return sequence.next_position(); }
  const ColdStore* cold() const { return recaller.cold(); }
  std::vector<int32_t> hot_positions() const { return ledger.hot_positions(next()); }
  void look_again() { ledger.look_again(next(), cold()); }
};

enum class TokenState : uint8_t { kSink, kPinned, kRecent, kKept, kRecalled, kDemoted, kLost };
const char* token_state_name(TokenState state);

struct TokenRun {
  int32_t first;
  int32_t last;
  TokenState state;
};

// What became of every token, as runs of positions.
std::vector<TokenRun> token_runs(const KvParts& m);
// Tokens that are not hot in every table and not cold, as runs of positions [first, last).
std::vector<std::pair<int32_t, int32_t>> gone_runs(const KvParts& m);

}  // namespace kedge::memory
