// Going back to what a sequence was, and giving its pages away for a while.
#include "memory/kv_mark.h"

#include <algorithm>
#include <string>

#include "memory/checksum.h"

namespace kedge::memory {

// Behind a mark the sequence only appends, in slots that are not the mark's; what does more calls this first. Windows
// let go of pages as they move on: a mark holds those from the beginning.
void KvSequence::hold_marks(const Mark* but) {
  for (const auto& weak : marks_) {
    const auto mark = weak.lock();
    if (mark == nullptr || mark->held_ || mark.get() == but) continue;
    mark->state_.share_pages(*this);
    mark->held_ = true;
  }
}

std::shared_ptr<const KvSequence::Mark> KvSequence::mark() {
  std::erase_if(marks_, [](const auto& weak) { return weak.expired(); });
  KvSequence state(arena_, map_, capacity_, step_tokens_);
  state.copy_state(*this);
  state.windows_.share(windows_, position_);
  const auto made = std::make_shared<Mark>(std::move(state));
  marks_.push_back(made);
  return made;
}

bool KvSequence::has(const Mark& mark) const {
  return std::any_of(marks_.begin(), marks_.end(), [&](const auto& weak) { return weak.lock().get() == &mark; });
}

void KvSequence::rollback(const Mark& mark) {
  hold_marks(&mark);
  if (mark.held_) return become(mark.state_);
  copy_state(mark.state_);
  windows_.drop();
  windows_.share(mark.state_.windows_, position_);
  unreserve();
}

// What the other one has keeps its pages, so that this one's may go first.
void KvSequence::become(const KvSequence& other) {
  hold_marks();
  next_state_ = {};
  copy_state(other);
  pages_.grow(other.pages_.columns(), pages_of(capacity_));
  drop_all_pages();
  share_pages(other);
  windows_.share(other.windows_, position_);
}

Status KvSequence::swap_out(SpillFile& file) {
  auto spilled = std::make_unique<Spilled>();
  spilled->file = file.regions();
  spilled->state_file = file.states();
  spilled->pages.reserve(pages());
  const auto put = [](RegionFile& to, const std::byte* data, std::vector<Spilled::Page>* pages) -> Status {
    KEDGE_ASSIGN(region, to.write(data));
    pages->push_back({region, checksum(data, to.region_bytes())});
    return {};
  };
  Status status;
  for (size_t t = 0; t < tables_.size(); ++t) {
    for (size_t p = 0; p < pages_of(tables_[t].slots) && status.ok(); ++p) {
      status = put(*spilled->file, pages_.row(t)[p], &spilled->pages);
    }
  }
  windows_.each_page([&](size_t, const std::byte* page) {
    if (status.ok()) status = put(*spilled->file, page, &spilled->pages);
  });
  if (status.ok() && state_) {
    status = put(*spilled->state_file, reinterpret_cast<const std::byte*>(state_.data()), &spilled->states);
  }
  KEDGE_TRY(std::move(status));
  drop_all_pages();
  state_ = {};
  spilled_ = std::move(spilled);
  return {};
}

namespace {

Status read_back(const RegionFile& file, const SpilledPage& page, std::byte* to, const std::string& what) {
  KEDGE_TRY(file.read(page.region, to));
  if (checksum(to, file.region_bytes()) == page.sum) return {};
  return Error{ErrorCode::kCorrupt, "KV spill file: the checksum of " + what + " is wrong"};
}

}  // namespace

Status KvSequence::swap_in() {
  missing_pages_ = 0;
  if (spilled_ == nullptr) return {};
  std::vector<PageId> fresh;
  KvState state;
  const bool has = !spilled_->states.empty();
  grow_pages(pages_of(most_slots()));
  KEDGE_TRY(arena_->allocate(spilled_->pages.size(), &fresh, has ? &state : nullptr, &missing_pages_));
  Status status;
  for (size_t i = 0; i < fresh.size() && status.ok(); ++i) {
    status = read_back(*spilled_->file, spilled_->pages[i], arena_->data(fresh[i]),
                       "page " + std::to_string(i) + " of " + std::to_string(fresh.size()));
  }
  if (status.ok() && has) {
    status = read_back(*spilled_->state_file, spilled_->states[0], reinterpret_cast<std::byte*>(state.data()),
                       "a recurrent state");
  }
  if (!status.ok()) {
    for (const PageId id : fresh) arena_->release(id);
    return status;
  }
  auto next = fresh.begin();
  for (size_t t = 0; t < tables_.size(); ++t) {
    Table& table = tables_[t];
    for (; table.pages < pages_of(table.slots); ++table.pages) pages_.row(t)[table.pages] = arena_->data(*next++);
  }
  windows_.take(position_, std::to_address(next));
  state_ = std::move(state);
  spilled_.reset();
  return {};
}

}  // namespace kedge::memory
