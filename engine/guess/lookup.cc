#include "engine/guess/lookup.h"

#include <algorithm>
#include <utility>

namespace kedge::engine {

LookupGuesser::LookupGuesser(std::vector<int32_t> given) {
  for (const int32_t token : given) append(token);
  given_end_ = tokens_.size();
  if (given_end_ > 1) expected_ = 1;
}

Status LookupGuesser::begin(std::span<const int32_t> text) {
  tokens_.reserve(tokens_.size() + text.size());
  earlier_.reserve(tokens_.capacity());
  for (const int32_t token : text) append(token);
  return {};
}

void LookupGuesser::add(int32_t token) {
  append(token);
  if (expected_ == 0) return;
  const bool came = expected_ < given_end_ && tokens_[expected_] == token;
  expected_ = came ? expected_ + 1 : 0;
  in_step_ = came ? in_step_ + 1 : 0;
}

size_t LookupGuesser::bucket(int32_t first, int32_t second) const {
  const uint64_t pair = static_cast<uint64_t>(static_cast<uint32_t>(first)) << 32 | static_cast<uint32_t>(second);
  return static_cast<size_t>((pair * 0x9e3779b97f4a7c15u) >> 32) & (heads_.size() - 1);
}

void LookupGuesser::append(int32_t token) {
  tokens_.push_back(token);
  earlier_.push_back(0);
  if (tokens_.size() > heads_.size()) {
    grow();
  } else if (const size_t last = tokens_.size() - 1; last > 1 && last != given_end_) {
    uint32_t& head = heads_[bucket(tokens_[last - 1], token)];
    earlier_[last] = std::exchange(head, static_cast<uint32_t>(last));
  }
}

// Twice as many buckets; all pairs are entered again.
void LookupGuesser::grow() {
  heads_.assign(std::max<size_t>(2 * heads_.size(), 256), 0);
  for (size_t at = 2; at < tokens_.size(); ++at) {
    if (at == given_end_ && given_end_ > 1) continue;
    uint32_t& head = heads_[bucket(tokens_[at - 1], tokens_[at])];
    earlier_[at] = std::exchange(head, static_cast<uint32_t>(at));
  }
}

// How much of what ends at `end` is what the text ends with.
size_t LookupGuesser::match_length(size_t end) const {
  const size_t last = tokens_.size() - 1;
  const size_t floor = end < given_end_ ? 0 : given_end_ - 1;  // matches do not reach from the text into what was given
  size_t n = 0;
  while (n < kLongest && end - n > floor && last - n >= given_end_ && tokens_[end - n] == tokens_[last - n]) ++n;
  return n;
}

Guess LookupGuesser::copy(size_t from, size_t match, std::span<int32_t> out) const {
  const bool given = from < given_end_;
  const size_t end = given ? given_end_ : tokens_.size();
  // A text that repeats itself goes on doing so.
  const size_t n = given ? std::min(out.size(), end - from) : out.size();
  for (size_t i = 0; i < n; ++i) out[i] = from + i < end ? tokens_[from + i] : out[from + i - end];
  constexpr size_t kBounds[] = {2, 3, 4, 6, 9, 16};  // matches up to here are of the first, second, ... kind
  const auto* kind = std::lower_bound(std::begin(kBounds), std::end(kBounds), match);
  return {n, static_cast<int>(kind - std::begin(kBounds))};
}

Result<Guess> LookupGuesser::guess(std::span<int32_t> out) {
  if (expected_ > 0 && expected_ < given_end_) {
    Guess guess = copy(expected_, kLongest, out);
    if (in_step_ < 4) guess.kind = kGuessKinds - 1;  // nothing speaks for it yet
    return guess;
  }
  const size_t last = tokens_.size() - 1;
  if (last < given_end_ + 1) return Guess{};
  size_t best = 0;
  size_t longest = 1;
  size_t at = earlier_[last];
  for (size_t looked = 0; at > 0 && looked < kCandidates && longest < kLongest; ++looked, at = earlier_[at]) {
    const size_t n = match_length(at);
    if (n > longest) {
      longest = n;
      best = at;
    }
  }
  return best == 0 ? Guess{} : copy(best + 1, longest, out);
}

size_t LookupGuesser::bytes() const {
  return tokens_.capacity() * sizeof(int32_t) + (earlier_.capacity() + heads_.capacity()) * sizeof(uint32_t);
}

}  // namespace kedge::engine
