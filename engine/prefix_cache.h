// Several requests with a common beginning (a system prompt, a document) compute it once. The cache keeps states of
// sessions: their tokens, and their KV pages, which are shared and not copied. acquire() makes a session that begins
// with the longest usable one and is, bit for bit, the session that evaluating those tokens anew would give: logits,
// evictions and recalls from there on.
//
// What is usable:
// - A state that has lost nothing is clean: its keys and values depend on the tokens alone, so any number of its first
//   tokens can be taken (the metadata is made anew from the request's segments and the text). With a KV budget one
//   limit remains: a policy that counts attention has counted that of all tokens, so of a state that came that close to
//   its first eviction either everything is taken, or what lies before the first row that was counted.
// - A state with evictions is lossy. It is never a clean prefix: it is taken as a whole or not at all, and only when
//   the request begins with all of its tokens and gives the same segments, all of them before the first token as
//   acquire() does, and nothing but the text has acted on it (no recall that was asked for, no truncation).
// - A state is of a session's adapters and their scales, and serves sessions with the same ones only.
// - A model with recurrent layers or windows has states that cannot be cut: they are taken as a whole, and so the
// copies
//   that a session keeps on its way (engine/session_back.cc) become states of the cache beside it.
// - One token at least is left to evaluate, because its logits are wanted; unless the state ends with the request and
//   its logits are there.
//
// Keys are hashes chained over blocks of 32 tokens; a match is confirmed by comparing the tokens themselves.
// All functions may be called from any threads. Sessions keep what they need alive: they may outlive the cache. They
// are sequences of one engine: one of the cache's own, or a given one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/model.h"
#include "engine/session.h"
#include "kernels/base/result.h"

namespace kedge::engine {

struct PrefixCacheOptions {
  int entries = 64;  // most states kept
  // Sessions that may be in use at once; more may meet a full arena. The arena has room for two full budgets a session,
  // or KvOptions::forks of them when that is more. What sessions do not take keeps entries; when sessions need it, the
  // entries used least recently go.
  int sessions = 4;
};

struct PrefixCacheStats {
  uint64_t lookups = 0;
  uint64_t hits = 0;             // of those, with at least one token reused
  uint64_t tokens_reused = 0;    // of requests
  uint64_t tokens_computed = 0;  // the others: left to the caller to evaluate
  uint64_t stored = 0;
  uint64_t declined = 0;         // states that no request could use
  uint64_t evicted_entries = 0;  // for want of places or of pages
  size_t entries = 0;
  size_t bytes = 0;         // of their pages, every page once, and of what is known about their tokens
  size_t pages_in_use = 0;  // of the arena, by entries and sessions
  size_t pages_total = 0;
};

// The key of a sequence of blocks, from the key of all but the last one.
using PrefixHash = uint64_t (*)(uint64_t before, std::span<const int32_t> block);
uint64_t prefix_hash(uint64_t before, std::span<const int32_t> block);

class PrefixCache {
 public:
  // For sessions of one model and `options`. `hash` is for tests. Errors: as Session::create; kInvalidArgument (options
  // outside their range).
  static Result<std::unique_ptr<PrefixCache>> create(std::shared_ptr<const Model> model, const SessionOptions& options,
                                                     const PrefixCacheOptions& cache = {},
                                                     PrefixHash hash = prefix_hash);
  // In the arena of an engine, for its sessions; `sessions` of the options does not count. Entries yield to sequences
  // that need pages. The cache keeps its engine alive.
  static Result<std::unique_ptr<PrefixCache>> create(std::shared_ptr<Engine> engine, const SessionOptions& options,
                                                     const PrefixCacheOptions& cache = {},
                                                     PrefixHash hash = prefix_hash);
  ~PrefixCache();

  struct Acquired {
    std::unique_ptr<Session> session;        // holds the first n_reused tokens
    int n_reused = 0;                        // the caller evaluates the others
    std::vector<KvMemory::Refusal> refused;  // as Session::add_segments
  };
  // `segments` are those of the whole request; they are given to the session. Errors: kInvalidArgument (no tokens, a
  // segment outside the context), kCapacity (memory).
  Result<Acquired> acquire(std::span<const int32_t> tokens, std::span<const Segment> segments = {}) {
    return acquire(options().adapters, tokens, segments);
  }
  // With other adapters than those of the options. Errors as well: those of checked_adapters().
  Result<Acquired> acquire(std::span<const AdapterUse> adapters, std::span<const int32_t> tokens,
                           std::span<const Segment> segments = {});

  // Keeps the session's state, sharing its pages; the session goes on by itself. False: nothing is kept, because no
  // request could use it. Errors: kInvalidArgument (a session of other options: not one of acquire() or its forks).
  Result<bool> store(const Session& session);

  PrefixCacheStats stats() const;
  std::string stats_json() const;  // its members by their names
  const SessionOptions& options() const;

 private:
  struct State;
  explicit PrefixCache(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // the arena asks it for pages
};

}  // namespace kedge::engine
