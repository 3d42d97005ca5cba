// Going back in a sequence whose memory cannot simply forget tokens, because a state has recurred or a window has moved
// on: to a copy that was kept on the way, and over the tokens from there to the place that is wanted once more. What
// comes of them is the same again, bit for bit.
#include <algorithm>

#include "engine/engine_state.h"

namespace kedge::engine {

namespace {

constexpr int kKeepEvery = 512;  // tokens; and at the end of every call with more than one

}  // namespace

void Session::State::keep(bool prompt_ends) {
  if (!memory->shape().only_forward()) return;
  const int next = memory->sequence().next_position();
  const int last = kept.empty() ? 0 : kept.back().position;
  if (!prompt_ends && next - last < kKeepEvery) return;
  auto copy = memory->freeze();
  if (!copy.ok()) return;  // swapped out meanwhile: there will be others
  if (last == next && !kept.empty()) kept.pop_back();
  kept.push_back(
      {next, std::move(copy).value(), has_logits ? last_logits : std::vector<float>(), announced.size(), ++n_kept});
  if (kept.size() > kKeptStates) thin_kept();
}

// The one goes that is missed least: going back to it would cost hardly less without it. So they stand the closer, the
// newer they are.
void Session::State::thin_kept() {
  const double newest = kept.back().position;
  size_t least = 0;
  double least_cost = 0;
  for (size_t i = 0; i + 1 < kept.size(); ++i) {
    const double before = i == 0 ? 0 : kept[i - 1].position;
    const double cost = (newest - before) / (newest - kept[i + 1].position + 1);
    if (i == 0 || cost < least_cost) {
      least = i;
      least_cost = cost;
    }
  }
  kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(least));
}

void Session::State::remember_segments() {
  if (!memory->shape().only_forward()) return;
  const AnchorIndex& index = memory->index();
  Announced known{0, index.segments()};
  for (const auto& [id, anchor] : index.anchors()) {
    if (!anchor.detected && anchor.at.kind == SegmentKind::kReference) known.segments.push_back(anchor.at);
  }
  if (!known.segments.empty()) announced.push_back(std::move(known));
}

// Copies are worth less than pages that somebody needs: tokens can be evaluated again. Of the sequence that has waited
// longest, the oldest.
bool Engine::State::drop_kept() {
  std::shared_ptr<const KvMemory> dropped;  // without the mutex
  const std::lock_guard lock(mutex);
  Session::State* idlest = nullptr;
  for (Session::State* s : sequences) {
    if (!s->kept.empty() && (idlest == nullptr || s->last_used < idlest->last_used)) idlest = s;
  }
  if (idlest == nullptr) return false;
  dropped = std::move(idlest->kept.front().memory);
  idlest->kept.erase(idlest->kept.begin());
  return true;
}

// Segments that were given since are given again, where they were; what was recalled since is not.
Status Session::go_back(int n) {
  State& s = *state_;
  const std::vector<int32_t> tokens = s.tokens;
  const std::vector<State::Announced> announced = s.announced;
  const ExpertStats experts = s.experts;
  size_t n_known = 0;
  Status gone = between_steps([&](const ThreadTeam&) -> Status {
    while (!s.kept.empty() && s.kept.back().position > n) s.kept.pop_back();
    n_known = s.kept.empty() ? 0 : s.kept.back().n_announced;
    if (!s.kept.empty()) return s.memory->become(*s.kept.back().memory);
    KEDGE_ASSIGN(beginning, s.memory->anew());
    return s.memory->become(*beginning);
  });
  KEDGE_TRY(std::move(gone));
  s.tokens.resize(static_cast<size_t>(n_past()));
  s.announced.resize(n_known);
  const auto evaluate_to = [&](int position) -> Status {
    const auto first = static_cast<size_t>(n_past());
    if (static_cast<size_t>(position) <= first) return {};
    return evaluate(std::span(tokens).subspan(first, static_cast<size_t>(position) - first), nullptr, {}, {});
  };
  Status again;
  for (size_t i = n_known; i < announced.size() && again.ok(); ++i) {
    again = evaluate_to(std::min(announced[i].position, n));
    std::vector<Segment> segments;
    for (Segment segment : announced[i].segments) {
      if (segment.first >= n) continue;
      if (segment.last > n) segment.pin = Pin::kNone;  // as when tokens are forgotten
      segment.last = std::min(segment.last, n);
      segments.push_back(std::move(segment));
    }
    if (again.ok() && !segments.empty()) {
      const auto added = add_segments(segments);
      if (!added.ok()) again = added.error();
    }
  }
  if (again.ok()) again = evaluate_to(n);
  s.experts = experts;
  return again;
}

}  // namespace kedge::engine
