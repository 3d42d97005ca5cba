// Which tokens may come next: the seam between the sampler and what an answer has to obey. A filter belongs to one
// generation. Every token chosen is told to it, in order; nothing is ever taken back (a speculated token is told only
// once it is an answer's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "kernels/base/result.h"

namespace kedge::engine {

// Bit id % 64 of word id / 64.
using TokenBits = std::span<uint64_t>;
inline constexpr size_t token_words(size_t n_vocab) { return (n_vocab + 63) / 64; }
inline bool token_allowed(std::span<const uint64_t> bits, size_t id) { return (bits[id / 64] >> (id % 64) & 1) != 0; }

class TokenFilter {
 public:
  virtual ~TokenFilter() = default;
  // False: everything may come, and allow() need not be asked.
  virtual bool active() const = 0;
  // Clears the bits of tokens that must not come next; others stay as they are. `left`: tokens the generation may still
  // choose, this one included; where a text has to be closed before they run out, only what leads there stays. Errors:
  // kCapacity (a limit of states, or `left` is too little for any end).
  virtual Status allow(TokenBits bits, size_t left) = 0;
  // A token was chosen. Errors: kInvalidArgument (it was not allowed).
  virtual Status accept(int32_t token) = 0;
  // Tokens that have to follow, whatever the model says, at most out.size(): they are the answer's without being asked
  // for, and accepted like the others. `left` as for allow(). 0: none, or unknown.
  virtual size_t forced(std::span<int32_t> out, size_t left) = 0;
  // The text may end here, and nothing else may come: the generation is over without another token.
  virtual bool over() const = 0;
  // The text may end here. When a generation ends where it may not, its answer says so.
  virtual bool may_end() const = 0;
};

}  // namespace kedge::engine
