#include <algorithm>

#include "router/comparator.h"
#include "router/feature.h"
#include "router/text_norm.h"
#include "router/words.h"

namespace kedge::router::features {
namespace {

constexpr size_t kLeastLetters = 4;  // shorter words are in every passage
constexpr size_t kStem = 5;          // letters that forms of one word share, mostly

// "Not found" is doubtful where a passage speaks of what was asked.
double value(const AnswerTrace& t) {
  if (t.evidence == nullptr || !declines(t.answer)) return 0;
  const std::string question = folded(t.question);
  std::vector<std::string_view> asked = words(question);
  std::erase_if(asked, [](std::string_view word) { return word.size() < kLeastLetters; });
  if (asked.empty()) return 0;
  double most = 0;
  for (const Evidence& e : std::span(t.evidence, t.n_evidence)) {
    const std::string text = folded(e.text);
    const std::vector<std::string_view> there = words(text);
    const auto named = std::count_if(asked.begin(), asked.end(), [&](std::string_view word) {
      const std::string_view stem = word.substr(0, kStem);
      return std::any_of(there.begin(), there.end(), [&](std::string_view w) { return w.starts_with(stem); });
    });
    most = std::max(most, static_cast<double>(named) / static_cast<double>(asked.size()));
  }
  return most;
}

}  // namespace

extern constinit const FeatureDef declined_named;
constinit const FeatureDef declined_named = {
    "declined_named", "of an answer that there is none: the share of the question's words that one passage has", value};

}  // namespace kedge::router::features
