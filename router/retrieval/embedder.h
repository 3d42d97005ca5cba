// Words as vectors: what a model gives an index. How word vectors become one vector of a text is the index's affair
// (pooling.h), because it depends on how common each word is among the index's passages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::router {

// Const and shared by threads. The same text always gives the same bits.
class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual int dim() const = 0;
  virtual int n_tokens() const = 0;  // of the vocabulary
  // Of everything a vector depends on: weights, tokenizer, pooling, dimension. Vectors of different fingerprints are
  // never compared. Hex SHA-256.
  virtual const std::string& fingerprint() const = 0;
  // Where the vectors come from, for people: the model's path.
  virtual const std::string& name() const = 0;
  // Each in 0 ... n_tokens() - 1. Errors: those of Tokenizer::encode.
  virtual Result<std::vector<int32_t>> encode(std::string_view text) const = 0;
  // The vector of a token into dim() floats.
  virtual void vector(int32_t token, float* out) const = 0;
};

}  // namespace kedge::router
