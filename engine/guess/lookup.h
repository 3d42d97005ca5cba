// Guesses what followed when the text last said what it says now: the longest match of its end with something earlier
// (prompt lookup; Saxena 2023), found through chains of equal pairs as in LZ77. Beside the text it can look into an
// answer that somebody else gave to the same question.
#pragma once

#include <vector>

#include "engine/guess/guesser.h"

namespace kedge::engine {

class LookupGuesser final : public Guesser {
 public:
  LookupGuesser() = default;
  // Expects `given` word for word, and from the last match on when the answer goes another way.
  explicit LookupGuesser(std::vector<int32_t> given);

  Status begin(std::span<const int32_t> text) override;
  void add(int32_t token) override;
  Result<Guess> guess(std::span<int32_t> out) override;
  bool is_free() const override { return true; }
  size_t bytes() const;

 private:
  static constexpr size_t kLongest = 32;     // matches longer than this are alike
  static constexpr size_t kCandidates = 64;  // looked at, the newest first

  void append(int32_t token);
  void grow();
  size_t bucket(int32_t first, int32_t second) const;
  size_t match_length(size_t end) const;
  Guess copy(size_t from, size_t match, std::span<int32_t> out) const;

  // Positions are numbered from 1; 0 is none.
  std::vector<int32_t> tokens_ = {-1};
  std::vector<uint32_t> earlier_ = {0};  // by position: where a pair with the same bucket ends before
  std::vector<uint32_t> heads_;          // by bucket: where the last one ends
  size_t given_end_ = 1;                 // behind the given answer
  size_t expected_ = 0;                  // position of the given answer's token that should come next; 0: lost
  size_t in_step_ = 0;                   // tokens that came as expected, one after the other
};

}  // namespace kedge::engine
