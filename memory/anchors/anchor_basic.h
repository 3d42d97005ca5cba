// The two functions of the article this engine started from, in their plain form: which tokens are anchors, and what is
// kept when the store is full. What the engine evicts by is richer (eviction/); these are its smallest statement.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::memory {

// The token looks like an identifier, a citation or a function's name, or like a piece of one: "DOC-569B", "TKT",
// "_id", "Kaldley", "1982". A tokenizer's mark of a leading space (U+2581, U+0120) is ignored. Pieces in small letters
// ("pack" of `pack_stream`) cannot be told from words and are none.
bool is_reference_token(std::string_view token);

// The positions, ascending, whose score exceeds the threshold and whose token is a reference. Positions without a score
// and scores that are not numbers select nothing.
std::vector<int> select_anchors(std::span<const std::string> tokens, std::span<const float> attention_scores,
                                float threshold = 0.6F);

struct ScoredPosition {
  int position;
  float score;
};

// The positions with their scores, as evict_policy takes them; a position outside of the scores has 0.
std::vector<ScoredPosition> with_scores(std::span<const int> positions, std::span<const float> attention_scores);

struct Retention {
  std::vector<int> kept;     // ascending, at most max_tokens
  std::vector<int> surplus;  // anchors that are present but did not fit, in the order they were dropped
};

// Keeps the anchors that are in the store (positions in any order; one named twice has its higher score), then the most
// recent others. When the anchors alone exceed max_tokens those of the lowest score are dropped first, of equal ones
// the lowest position; none is dropped without being reported. max_tokens <= 0 keeps nothing.
Retention evict_policy(std::span<const int> kv_store, std::span<const ScoredPosition> anchors, int max_tokens);

}  // namespace kedge::memory
