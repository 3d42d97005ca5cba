// From word vectors to the vector of a text: a mean in which common words count little, without what all passages
// share. Source: Arora, Liang, Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017 (smooth
// inverse frequency); the mean vector stands in for its first principal component.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "router/retrieval/embedder.h"

namespace kedge::router {

inline constexpr const char* kPoolingName = "sif a=1e-3, minus mean, length 1";

// Belongs to one index. Const once its mean is set; then any number of threads may use it. Every sum runs in the order
// of the text, every operation is an IEEE float or double one: the same bits on every machine.
class Pooling {
 public:
  // `counts`: how often each token of the vocabulary stands in the index's passages.
  Pooling(std::shared_ptr<const Embedder> embedder, std::span<const uint64_t> counts);

  const Embedder& embedder() const { return *embedder_; }
  // The weighted mean of the text's token vectors, dim() floats; zeros for a text without tokens.
  Result<std::vector<float>> raw(std::string_view text) const;
  // Sets the mean that finish() takes away; dim() values.
  void set_mean(std::vector<float> mean) { mean_ = std::move(mean); }
  const std::vector<float>& mean() const { return mean_; }
  // A raw vector minus the mean, length 1. A raw vector of zeros stays zeros.
  void finish(std::span<float> vector) const;
  // raw() and finish().
  Result<std::vector<float>> embed(std::string_view text) const;

 private:
  std::shared_ptr<const Embedder> embedder_;
  std::vector<float> weights_;  // of each token
  std::vector<float> mean_;
};

// The dot product of two vectors of n floats in 16 lanes that are added up in one fixed order.
float dot(const float* a, const float* b, size_t n);

}  // namespace kedge::router
