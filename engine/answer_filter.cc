#include "engine/answer_filter.h"

#include <algorithm>

namespace kedge::engine {

std::optional<int32_t> AnswerFilter::forced(size_t left) {
  const auto all = all_forced(left);
  return all.empty() ? std::nullopt : std::optional(all[0]);
}

std::span<const int32_t> AnswerFilter::all_forced(size_t left) {
  if (filter_ == nullptr) return {};
  if (next_forced_ == n_forced_) {
    next_forced_ = 0;
    n_forced_ = filter_->active() && !filter_->over() ? std::min(filter_->forced(forced_, left), forced_.size()) : 0;
  }
  return std::span(forced_).subspan(next_forced_, n_forced_ - next_forced_);
}

Result<std::span<const uint64_t>> AnswerFilter::allowed(size_t left) {
  if (filter_ == nullptr || !filter_->active()) return std::span<const uint64_t>();
  bits_.assign(token_words(n_vocab_), ~uint64_t{0});
  if (n_vocab_ % 64 != 0) bits_.back() = (uint64_t{1} << (n_vocab_ % 64)) - 1;
  KEDGE_TRY(filter_->allow(bits_, left));
  return std::span<const uint64_t>(bits_);
}

Status AnswerFilter::accept(int32_t token) {
  if (filter_ == nullptr) return {};
  if (next_forced_ < n_forced_) ++next_forced_;
  return filter_->accept(token);
}

}  // namespace kedge::engine
