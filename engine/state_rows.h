// The hidden states of the last tokens of a sequence, behind the final norm: what blocks that predict further tokens
// read beside the tokens. Rows come in the order of positions; one that comes again, or behind a gap, replaces what
// was known from there on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::engine {

class StateRows {
 public:
  // From now on at least the last `most` rows are kept.
  void watch(size_t most) { most_ = std::max(most, most_); }
  bool wanted() const { return most_ > 0; }

  void put(int position, std::span<const float> row) {
    if (position < first_ || position > end()) {
      first_ = position;
      rows_.clear();
    }
    width_ = row.size();
    rows_.resize(static_cast<size_t>(position - first_) * width_);
    rows_.insert(rows_.end(), row.begin(), row.end());
    if (rows_.size() >= 2 * most_ * width_) forget();
  }

  // Positions whose states are there: [first(), end()).
  int first() const { return first_; }
  int end() const { return first_ + (width_ == 0 ? 0 : static_cast<int>(rows_.size() / width_)); }
  // Rows of positions [from, to), one after the other; valid until the next put().
  std::span<const float> rows(int from, int to) const {
    return std::span(rows_).subspan(static_cast<size_t>(from - first_) * width_,
                                    static_cast<size_t>(to - from) * width_);
  }

 private:
  void forget() {
    const int from = end() - static_cast<int>(most_);
    rows_.erase(rows_.begin(), rows_.begin() + (from - first_) * static_cast<std::ptrdiff_t>(width_));
    first_ = from;
  }

  size_t most_ = 0;
  size_t width_ = 0;
  int first_ = 0;
  std::vector<float> rows_;  // [n][width]
};

}  // namespace kedge::engine
