#include "engine/expert_stats.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/json.h"

namespace kedge::engine {

void ExpertStats::resize(int n_layers, int n_experts, int n_used) {
  n_used_ = n_used;
  layers_.assign(static_cast<size_t>(n_layers), {});
  for (ExpertLayerStats& l : layers_) {
    l.tokens.assign(static_cast<size_t>(n_experts), 0);
    l.last.reserve(static_cast<size_t>(n_used));
  }
}

void ExpertStats::add(int layer, const int32_t* chosen, int n_used, float margin, float entropy) {
  ExpertLayerStats& l = layers_[static_cast<size_t>(layer)];
  for (int j = 0; j < n_used; ++j) ++l.tokens[static_cast<size_t>(chosen[j])];
  ++l.n_tokens;
  l.margin += static_cast<double>(margin);
  l.entropy += static_cast<double>(entropy);
  if (!l.last.empty()) {
    for (int j = 0; j < n_used; ++j) {
      if (!std::binary_search(l.last.begin(), l.last.end(), chosen[j])) ++l.switched;
    }
    l.compared += static_cast<uint64_t>(n_used);
  }
  l.last.assign(chosen, chosen + n_used);
}

void ExpertStats::reset() {
  for (ExpertLayerStats& l : layers_) {
    std::fill(l.tokens.begin(), l.tokens.end(), 0);
    l.n_tokens = l.switched = l.compared = 0;
    l.margin = l.entropy = 0;
    l.last.clear();
  }
}

std::string ExpertStats::json() const {
  Json layers = Json::array();
  for (const ExpertLayerStats& l : layers_) {
    const double n = static_cast<double>(std::max<uint64_t>(l.n_tokens, 1));
    layers.push_back(
        {{"tokens", l.tokens},
         {"n_tokens", l.n_tokens},
         {"margin", l.margin / n},
         {"entropy", l.entropy / n},
         {"switch_rate", l.compared == 0 ? 0.0 : static_cast<double>(l.switched) / static_cast<double>(l.compared)}});
  }
  const size_t n_experts = layers_.empty() ? 0 : layers_.front().tokens.size();
  return Json({{"n_experts", n_experts}, {"n_used", n_used_}, {"layers", layers}}).dump();
}

float softmax_entropy(const float* x, const float* p, int n) {
  // -sum p ln p with ln p = x - x_max + ln p_max: one logarithm for all.
  float x_max = x[0];
  float p_max = p[0];
  float mean = 0.0f;
  for (int i = 0; i < n; ++i) {
    x_max = std::max(x_max, x[i]);
    p_max = std::max(p_max, p[i]);
    mean += p[i] * x[i];
  }
  return std::max(0.0f, x_max - std::log(p_max) - mean);
}

}  // namespace kedge::engine
