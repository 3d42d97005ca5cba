#include "router/retrieval/fusion.h"

#include <algorithm>

namespace kedge::router::retrieval {

namespace {

constexpr double kRankOffset = 20;  // the paper's 60 makes the first ranks nearly equal: a first place says more

}  // namespace

std::vector<Fused> fuse(std::span<const Ranked> bm25, std::span<const Ranked> vectors, FusionWeights weights,
                        size_t k) {
  std::vector<Fused> all;
  all.reserve(bm25.size() + vectors.size());
  for (size_t i = 0; i < bm25.size(); ++i) {
    all.push_back(
        {bm25[i].row, weights.bm25 / (kRankOffset + static_cast<double>(i + 1)), static_cast<int>(i + 1), -1});
  }
  for (size_t i = 0; i < vectors.size(); ++i) {
    const double score = weights.vectors / (kRankOffset + static_cast<double>(i + 1));
    const auto same = std::find_if(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(bm25.size()),
                                   [&](const Fused& f) { return f.row == vectors[i].row; });
    if (same != all.begin() + static_cast<std::ptrdiff_t>(bm25.size())) {
      same->score += score;
      same->vector_rank = static_cast<int>(i + 1);
    } else {
      all.push_back({vectors[i].row, score, -1, static_cast<int>(i + 1)});
    }
  }
  std::sort(all.begin(), all.end(),
            [](const Fused& a, const Fused& b) { return a.score != b.score ? a.score > b.score : a.row < b.row; });
  if (all.size() > k) all.resize(k);
  return all;
}

std::vector<Ranked> best_rows(std::span<const float> scores, size_t count) {
  std::vector<Ranked> best;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > 0) best.push_back({static_cast<int64_t>(i) + 1, static_cast<double>(scores[i])});
  }
  const auto better = [](const Ranked& a, const Ranked& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  };
  const size_t n = std::min(count, best.size());
  std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(n), best.end(), better);
  best.resize(n);
  return best;
}

}  // namespace kedge::router::retrieval
