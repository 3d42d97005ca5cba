#include "engine/step_parts.h"

#include <algorithm>

namespace kedge::engine {

StepParts::StepParts(std::vector<StepPart>& parts, StepBuffers& buffers) : parts_(parts), buffers_(buffers) {
  for (size_t p = 0; p < parts_.size(); ++p) {
    parts_[p].first_row = rows_;
    for (int i = 0; i < parts_[p].n(); ++i, ++rows_) {
      buffers_.part_of[static_cast<size_t>(rows_)] = static_cast<int32_t>(p);
      buffers_.row_in_part[static_cast<size_t>(rows_)] = i;
    }
  }
}

void StepParts::keep_logit_rows() {
  rows_ = 0;
  for (StepPart& p : parts_) {
    p.first_row = rows_;
    p.first_kept = std::min(p.first_needed_row(), p.n());
    rows_ += p.n() - p.first_kept;
  }
}

bool StepParts::stopped() {
  for (StepPart& p : parts_) {
    if (p.status.ok() && p.cancel != nullptr && p.cancel->load(std::memory_order_relaxed)) {
      p.status = Error{ErrorCode::kCancelled, "cancelled"};
    }
  }
  return std::none_of(parts_.begin(), parts_.end(), [](const StepPart& p) { return p.status.ok(); });
}

}  // namespace kedge::engine
