// What the constraint of a generation says about its next token, on the way to the sampler.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/token_filter.h"

namespace kedge::engine {

class AnswerFilter {
 public:
  AnswerFilter() = default;  // everything may come
  AnswerFilter(std::unique_ptr<TokenFilter> filter, size_t n_vocab) : filter_(std::move(filter)), n_vocab_(n_vocab) {}

  // The token that comes next whatever the model says; nothing: the sampler chooses. `left` as in TokenFilter::allow.
  std::optional<int32_t> forced(size_t left);
  // That one and more behind it, as far as they are known.
  std::span<const int32_t> all_forced(size_t left);
  // Bits of the tokens that may come, for the sampler; empty: all.
  Result<std::span<const uint64_t>> allowed(size_t left);
  Status accept(int32_t token);
  bool over() const { return filter_ != nullptr && filter_->over(); }
  bool may_end() const { return filter_ == nullptr || filter_->may_end(); }

 private:
  std::unique_ptr<TokenFilter> filter_;
  size_t n_vocab_ = 0;
  std::vector<uint64_t> bits_;
  std::array<int32_t, 32> forced_{};  // known to follow
  size_t n_forced_ = 0;
  size_t next_forced_ = 0;
};

}  // namespace kedge::engine
