// What an eviction policy is: a pure function that ranks the tokens of one table. It sees positions, scores and
// metadata, never bytes; the lowest ranks leave. Ties go by position: the older token leaves first.
// To add one: a file memory/eviction/<name>.cc with `const EvictionPolicy& <name>_policy()`; the file's stem, with '-'
// for '_', is its name; the command, the schema (kedge_settings_schema) and the tests of every policy find it there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::memory {

// What the metadata say about a hot token.
enum class PinClass : uint8_t {
  kNone = 0,
  kSurplus,  // pinned, but beyond the cap or its quota
  kMargin,   // beside a pinned span
  kSoft,
  kBoundary,  // where a segment begins
  kHard,
};
struct TokenTag {
  PinClass pin = PinClass::kNone;
  uint32_t rank = 0;  // among soft pins: higher stays longer
};

struct PolicyKnobs {
  int budget = 0;  // slots of a table
  int sinks = 4;
  int recent = 0;  // tokens
};

struct EvictionView {
  std::span<const int32_t> position;    // ascending
  std::span<const uint32_t> score;      // as the policy's Observation says
  std::span<const TokenTag> tag;        // empty unless the policy uses metadata
  std::span<const float> key_likeness;  // cosine of a key with the mean direction of all keys; empty unless asked for
  // The head is of the third that leaves most of its attention on the sinks: it has little to do with the text at hand.
  // Among these are the heads that look things up once something asks for them (found one by one on scout and sage), so
  // what they look at now says nothing of what they will need.
  bool idle = false;
  PolicyKnobs knobs;
  uint64_t random_key = 0;  // of the seed, the event and the table

  size_t size() const { return position.size(); }
  bool sink(size_t i) const { return position[i] < knobs.sinks; }
  // The latest knobs.recent hot tokens.
  bool recent(size_t i) const { return i + static_cast<size_t>(knobs.recent) >= position.size(); }
};

struct Rank {
  uint8_t tier = 0;  // higher tiers stay; within a tier higher scores
  uint32_t score = 0;
};

// Which rows of attention a policy looks at: the last `rows` before an eviction, or all; the shares of a group's heads
// are added up or their largest is taken; what was counted before an eviction is kept, halved or forgotten.
struct Observation {
  static constexpr int kAll = 1 << 30;
  int rows = 0;  // 0: none
  bool largest = false;
  enum class After { kKeep, kHalve, kForget } after = After::kHalve;
};

struct EvictionPolicy {
  std::string_view about;
  bool evicts = true;
  bool per_table = false;  // tables may lose different tokens; otherwise one ranking (of summed scores) holds for all
  bool uses_metadata = false;
  enum class Wants { kNever, kAlways, kIdleHeads };
  Wants key_likeness = Wants::kNever;
  Observation observe;
  void (*rank)(const EvictionView& view, std::span<Rank> out) = nullptr;
};

// By name; null when there is none. All names, ascending.
const EvictionPolicy* find_policy(std::string_view name);
std::vector<std::string> policy_names();

// The `n` tokens of the lowest rank, as ascending indices.
std::vector<int32_t> lowest(std::span<const Rank> ranks, size_t n);

// Scores smoothed: each token gets the largest of the `width` around it (odd), so that what is looked at keeps its
// neighbours.
std::vector<uint32_t> pooled(std::span<const uint32_t> score, int width);

// A number in [0, 2^32) of (key, position).
uint32_t random_of(uint64_t key, int32_t position);

// Floats in [0, 1] as scores.
inline uint32_t score_of(float share) { return static_cast<uint32_t>(share * 1048576.0f); }

}  // namespace kedge::memory
