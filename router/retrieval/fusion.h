// Two rankings made one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kedge::router::retrieval {

struct Ranked {
  int64_t row = 0;
  double score = 0;  // larger is better
};

struct Fused {
  int64_t row = 0;
  double score = 0;
  int bm25_rank = -1;  // from 1
  int vector_rank = -1;
};

// What a rank counts for in each ranking.
struct FusionWeights {
  double bm25 = 1;
  double vectors = 1;
};

// Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009): the sum of weight / (20 + rank) over the rankings
// that have the row; equal sums by row. The k best.
std::vector<Fused> fuse(std::span<const Ranked> bm25, std::span<const Ranked> vectors, FusionWeights weights, size_t k);

// The `count` rows of largest positive score, best first, equal ones by row. scores[i] is that of row i + 1.
std::vector<Ranked> best_rows(std::span<const float> scores, size_t count);

}  // namespace kedge::router::retrieval
