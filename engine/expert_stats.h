// What the routers of a mixture-of-experts model did, counted per layer as tokens pass: cheap enough to be always on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::engine {

struct ExpertLayerStats {
  std::vector<uint64_t> tokens;  // by expert
  uint64_t n_tokens = 0;
  // Sums over tokens. Margin: the smallest chosen probability minus the largest of those left out (0 when all are
  // chosen). Entropy: of the router's softmax over all experts, in nats.
  double margin = 0;
  double entropy = 0;
  // Of the experts of each token but the session's first, those that the token before had not used; and all of them.
  uint64_t switched = 0;
  uint64_t compared = 0;
  std::vector<int32_t> last;  // ids the last token used, ascending; empty: none yet
};

class ExpertStats {
 public:
  void resize(int n_layers, int n_experts, int n_used);
  // One token of a layer: its experts, ascending.
  void add(int layer, const int32_t* chosen, int n_used, float margin, float entropy);
  void reset();
  const std::vector<ExpertLayerStats>& layers() const { return layers_; }
  // {"n_experts", "n_used", "layers": [{"tokens": [...], "n_tokens", "margin", "entropy", "switch_rate"}]}: means.
  std::string json() const;

 private:
  std::vector<ExpertLayerStats> layers_;
  int n_used_ = 0;
};

// Entropy in nats of p = softmax(x), given both; n >= 1.
float softmax_entropy(const float* x, const float* p, int n);

}  // namespace kedge::engine
