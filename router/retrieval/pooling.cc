#include "router/retrieval/pooling.h"

#include <algorithm>
#include <cmath>

namespace kedge::router {

namespace {

constexpr double kA = 1e-3;
constexpr size_t kLanes = 16;

}  // namespace

Pooling::Pooling(std::shared_ptr<const Embedder> embedder, std::span<const uint64_t> counts)
    : embedder_(std::move(embedder)), weights_(counts.size()), mean_(static_cast<size_t>(embedder_->dim()), 0.0f) {
  uint64_t total = 0;
  for (const uint64_t c : counts) total += c;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double p = total == 0 ? 0 : static_cast<double>(counts[i]) / static_cast<double>(total);
    weights_[i] = static_cast<float>(kA / (kA + p));
  }
}

Result<std::vector<float>> Pooling::raw(std::string_view text) const {
  KEDGE_ASSIGN(tokens, embedder_->encode(text));
  const auto n = static_cast<size_t>(embedder_->dim());
  std::vector<float> sum(n, 0.0f);
  std::vector<float> row(n);
  float total = 0;
  for (const int32_t token : tokens) {
    const float w = weights_[static_cast<size_t>(token)];
    embedder_->vector(token, row.data());
    for (size_t i = 0; i < n; ++i) sum[i] += w * row[i];
    total += w;
  }
  // Over the sum of the weights, not the number of tokens: a question of common words and one name is as long as a
  // passage of names, so that taking the mean away moves both alike.
  if (total > 0) {
    for (float& x : sum) x /= total;
  }
  return sum;
}

void Pooling::finish(std::span<float> vector) const {
  if (std::all_of(vector.begin(), vector.end(), [](float x) { return x == 0; })) return;
  double squares = 0;
  for (size_t i = 0; i < vector.size(); ++i) {
    vector[i] -= mean_[i];
    squares += static_cast<double>(vector[i]) * static_cast<double>(vector[i]);
  }
  if (!(squares > 0)) return;
  const auto scale = static_cast<float>(1.0 / std::sqrt(squares));
  for (float& x : vector) x *= scale;
}

Result<std::vector<float>> Pooling::embed(std::string_view text) const {
  KEDGE_ASSIGN(vector, raw(text));
  finish(vector);
  return vector;
}

float dot(const float* a, const float* b, size_t n) {
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t k = 0; k < kLanes; ++k) lanes[k] += a[i + k] * b[i + k];
  }
  for (size_t k = 0; i + k < n; ++k) lanes[k] += a[i + k] * b[i + k];
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  }
  return lanes[0];
}

}  // namespace kedge::router
