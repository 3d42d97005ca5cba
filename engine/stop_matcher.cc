#include "engine/stop_matcher.h"

#include <algorithm>

#include "kernels/base/utf8.h"

namespace kedge::engine {

Result<StopMatcher> StopMatcher::create(const std::vector<std::string>& stops) {
  StopMatcher m;
  size_t bytes = 0;
  if (stops.size() > kMaxStopStrings) {
    return Error{ErrorCode::kCapacity,
                 std::to_string(stops.size()) + " stop strings; the limit is " + std::to_string(kMaxStopStrings)};
  }
  for (size_t i = 0; i < stops.size(); ++i) {
    const std::string& text = stops[i];
    const std::string what = "stop string " + std::to_string(i);
    if (text.empty()) return Error{ErrorCode::kInvalidArgument, what + " is empty"};
    if (!utf8_valid(text)) return Error{ErrorCode::kInvalidArgument, what + " is not UTF-8"};
    bytes += text.size();
    if (bytes > kMaxStopBytes) {
      return Error{ErrorCode::kCapacity, "stop strings have more than " + std::to_string(kMaxStopBytes) + " bytes"};
    }
    Automaton a{.text = text, .border = std::vector<size_t>(text.size() + 1, 0)};
    for (size_t length = 2, b = 0; length <= text.size(); ++length) {
      while (b > 0 && text[b] != text[length - 1]) b = a.border[b];
      if (text[b] == text[length - 1]) ++b;
      a.border[length] = b;
    }
    m.automata_.push_back(std::move(a));
  }
  return m;
}

bool StopMatcher::Automaton::step(char c) {
  while (state > 0 && text[state] != c) state = border[state];
  if (text[state] == c) ++state;
  return state == text.size();
}

bool StopMatcher::push(std::string_view text, std::string* out) {
  if (matched_ >= 0) return true;
  if (automata_.empty()) {
    out->append(text);
    return false;
  }
  for (const char c : text) {
    held_.push_back(c);
    size_t longest = 0;
    for (size_t i = 0; i < automata_.size(); ++i) {
      if (automata_[i].step(c) && automata_[i].state > longest) {
        longest = automata_[i].state;
        matched_ = static_cast<int>(i);
      }
    }
    if (matched_ >= 0) {
      out->append(held_, 0, held_.size() - longest);
      held_.clear();
      return true;
    }
  }
  size_t keep = 0;
  for (const Automaton& a : automata_) keep = std::max(keep, a.state);
  out->append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

void StopMatcher::finish(std::string* out) {
  out->append(held_);
  held_.clear();
}

}  // namespace kedge::engine
