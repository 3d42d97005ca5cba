#include "engine/marked_chat.h"

#include <algorithm>
#include <string>
#include <utility>

namespace kedge::engine {

namespace {

using Source = TextSegment::Source;

// All sources, their bytes counted from the beginning of the whole text.
std::vector<Source> sources_of(std::span<const TextSegment> parts) {
  std::vector<Source> all;
  size_t at = 0;
  for (const TextSegment& part : parts) {
    for (Source s : part.sources) {
      s.begin += at;
      s.end += at;
      if (s.origin.message >= 0) all.push_back(s);
    }
    at += part.text.size();
  }
  return all;
}

// Tokens that have a byte of [begin, end).
TokenRange tokens_of(std::span<const size_t> begins, size_t begin, size_t end) {
  const auto after = std::upper_bound(begins.begin(), begins.end(), begin);
  const auto stop = std::lower_bound(begins.begin(), begins.end(), end);
  const auto first = std::max<ptrdiff_t>(after - begins.begin() - 1, 0);
  return {static_cast<int32_t>(first), static_cast<int32_t>(std::max(stop - begins.begin(), first + 1))};
}

void add_range(std::vector<TokenRange>& ranges, TokenRange range) {
  if (!ranges.empty() && ranges.back().last >= range.first) {
    ranges.back().last = std::max(ranges.back().last, range.last);
  } else {
    ranges.push_back(range);
  }
}

std::vector<std::vector<TokenRange>> message_ranges(std::span<const Source> sources, std::span<const size_t> begins,
                                                    size_t n_messages) {
  std::vector<std::vector<TokenRange>> ranges(n_messages);
  const auto n_tokens = static_cast<int32_t>(begins.size());
  if (sources.empty() && n_messages > 0 && n_tokens > 0) ranges.back().push_back({0, n_tokens});  // empty messages
  int32_t done = 0;
  for (size_t i = 0; i < sources.size(); ++i) {
    const bool goes_on = i + 1 < sources.size() && sources[i + 1].origin.message == sources[i].origin.message;
    if (goes_on) continue;
    const bool last = i + 1 == sources.size();
    const int32_t end = last ? n_tokens : tokens_of(begins, sources[i].begin, sources[i].end).last;
    if (end > done) add_range(ranges[static_cast<size_t>(sources[i].origin.message)], {done, end});
    done = std::max(done, end);
  }
  return ranges;
}

// The rendered bytes of a source that stand for bytes of the mark; none: an empty range.
std::pair<size_t, size_t> part_of(const Source& s, const ContentMark& mark) {
  const size_t begin = std::max(s.origin.begin, mark.begin);
  const size_t end = std::min(s.origin.end, mark.end);
  const bool same = s.origin.message == static_cast<int32_t>(mark.message) && s.origin.part == mark.part;
  if (!same || begin >= end) return {0, 0};
  if (s.end - s.begin != s.origin.end - s.origin.begin) return {s.begin, s.end};  // only as a whole
  return {s.begin + (begin - s.origin.begin), s.begin + (end - s.origin.begin)};
}

std::vector<TokenRange> mark_ranges(std::span<const Source> sources, std::span<const size_t> begins,
                                    const ContentMark& mark) {
  std::vector<TokenRange> ranges;
  for (const Source& s : sources) {
    const auto [begin, end] = part_of(s, mark);
    if (begin < end) add_range(ranges, tokens_of(begins, begin, end));
  }
  return ranges;
}

}  // namespace

Result<MarkedRanges> find_marked(std::span<const TextSegment> parts, std::span<const size_t> begins, size_t n_messages,
                                 std::span<const ContentMark> marks) {
  const std::vector<Source> sources = sources_of(parts);
  MarkedRanges ranges{.messages = message_ranges(sources, begins, n_messages), .marks = {}};
  for (const ContentMark& mark : marks) {
    std::vector<TokenRange> found = mark_ranges(sources, begins, mark);
    if (found.empty()) {
      return Error{ErrorCode::kUnsupported, "bytes " + std::to_string(mark.begin) + " to " + std::to_string(mark.end) +
                                                " of messages[" + std::to_string(mark.message) +
                                                "] do not stand in the rendered chat: the template drops or "
                                                "changes them, so their tokens cannot be told"};
    }
    ranges.marks.push_back(std::move(found));
  }
  return ranges;
}

}  // namespace kedge::engine
