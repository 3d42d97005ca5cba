// Which sentences of passages bear on a question: what can be shown when no answer is given.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "router/text_norm.h"

namespace kedge::router {

struct SentenceMatch {
  size_t passage = 0;
  ByteRange range;   // of the passage's text
  double score = 0;  // the part of what the question's words say that the sentence has: above 0, at most 1
};

// Best first, at most `max`; equal ones as they stand in the passages, which are best first themselves. Words count as
// in the index (stems of the question's and the passages' languages, no function words), each by how few of the
// sentences have it; those that stand elsewhere in the passage count half. Left out: sentences without any of the
// words, those that say nothing beyond them (headings), and those of less than half the best one's score.
Result<std::vector<SentenceMatch>> matching_sentences(std::string_view question,
                                                      std::span<const std::string_view> passages, size_t max);

}  // namespace kedge::router
