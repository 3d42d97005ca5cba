// Texts as vectors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge {

// Const and shared by threads. The same text always gives the same bits.
class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual int dim() const = 0;
  // Of everything a vector depends on: weights, pooling, normalisation, tokenizer. Vectors of different fingerprints
  // are never compared. Hex SHA-256.
  virtual const std::string& fingerprint() const = 0;
  // dim() floats of length 1, or all zero for a text without tokens. Errors: those of Tokenizer::encode.
  virtual Result<std::vector<float>> embed(std::string_view text) const = 0;
};

}  // namespace kedge
