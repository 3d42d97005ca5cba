// From anchors to tags: which tokens are pinned, in what order, within the cap and the quotas.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "memory/anchor_index.h"
#include "memory/eviction/policy.h"

namespace kedge::memory {

struct PinRules {
  int cap = 0;     // tokens that soft pins may take
  int margin = 4;  // tokens beside a span
};

// A span of positions with one tag. Where spans overlap the stronger class, then the higher rank, holds.
struct TagSpan {
  int32_t first = 0;
  int32_t last = 0;
  TokenTag tag;
};

// The spans of all pins that hold at `next_position`. Pins are admitted strong ones first, by priority, then by how
// recently they were mentioned, then the newest first; one that has lost tokens counts last. While others
// wait, the pins of one segment get at most half of the cap; those of sources trusted less than half, and all weak ones
// together, get a quarter at most. What finds no room is surplus. `promoted` says of a weak anchor whether attention
// has made it a pin. A strong one that is a field of repeated lines counts as weak.
template <class Promoted>
std::vector<TagSpan> pin_spans(const AnchorIndex& index, int32_t next_position, const PinRules& rules,
                               Promoted&& promoted);

// Tags of the positions, ascending.
std::vector<TokenTag> tags_of(std::span<const int32_t> positions, std::span<const TagSpan> spans);

// The number of tokens that hard pins hold at `next_position` and after.
int hard_pinned(const AnchorIndex& index, int32_t next_position);

namespace pins {
struct Candidate {
  const Anchor* anchor;
  int segment;  // that holds it, -1: none
  bool strong;
};
std::vector<TagSpan> admit(const AnchorIndex& index, std::vector<Candidate> candidates, const PinRules& rules);
bool holds(const Anchor& a, int32_t next_position);
int segment_of(const AnchorIndex& index, const Anchor& a);
// Found references that name nothing because most lines have one like them: the ids of a log's requests, the numbers of
// a list. Eight of one form in a row that take a fifth of the stretch they stand in, or sixteen of any form that
// take three quarters. Sorted by address.
std::vector<const Anchor*> fields_of(const AnchorIndex& index);
}  // namespace pins

template <class Promoted>
std::vector<TagSpan> pin_spans(const AnchorIndex& index, int32_t next_position, const PinRules& rules,
                               Promoted&& promoted) {
  std::vector<pins::Candidate> candidates;
  const std::vector<const Anchor*> fields = pins::fields_of(index);
  const auto consider = [&](const Anchor& a) {
    if (!pins::holds(a, next_position)) return;
    const bool strong = a.strong && !std::binary_search(fields.begin(), fields.end(), &a, std::less<>());
    if (strong || promoted(a)) candidates.push_back({&a, pins::segment_of(index, a), strong});
  };
  for (const auto& [id, a] : index.anchors()) consider(a);
  for (const Anchor& a : index.provisional()) consider(a);
  return pins::admit(index, std::move(candidates), rules);
}

}  // namespace kedge::memory
