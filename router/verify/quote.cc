// Every sentence that the answer quotes has to stand in a passage.
#include <algorithm>
#include <set>

#include "router/citation.h"

namespace kedge::router::comparators {
namespace {

std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> words;
  const std::string normal = folded(text);
  for (size_t i = 0; i < normal.size();) {
    const size_t end = std::min(normal.find(' ', i), normal.size());
    words.insert(std::string(bare_value(std::string_view(normal).substr(i, end - i))));
    i = end + 1;
  }
  return words;
}

// The passage that shares the most words with the quotation.
const Evidence& nearest(std::string_view quote, std::span<const Evidence> evidence) {
  const auto wanted = words_of(quote);
  const auto shared = [&](const Evidence& e) {
    const auto words = words_of(e.text);
    return std::count_if(wanted.begin(), wanted.end(), [&](const std::string& w) { return words.count(w) > 0; });
  };
  return *std::max_element(evidence.begin(), evidence.end(),
                           [&](const Evidence& a, const Evidence& b) { return shared(a) < shared(b); });
}

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "quote", .explanation = {}};
  if (input.evidence.empty()) return result;
  std::string places;
  for (const Citation& c : parse_answer(input.answer, input.evidence).citations) {
    if (c.quote.empty()) continue;
    const ResolvedCitation r = resolve_citation(c, input.question, input.evidence);
    if (r.by != ResolvedBy::kQuote) {
      result.verdict = Verdict::kFail;
      result.explanation = "no passage holds the quotation \"" + c.quote + "\"; the nearest is [" +
                           nearest(c.quote, input.evidence).id + "]";
      return result;
    }
    result.verdict = Verdict::kPass;
    places += (places.empty() ? "[" : ", [") + r.resolved_id + "]" + (r.byte_exact ? "" : " after normalisation");
  }
  if (result.verdict == Verdict::kPass) result.explanation = "quoted from " + places;
  return result;
}

}  // namespace

extern constinit const ComparatorDef quote;
constinit const ComparatorDef quote = {"quote", "every quotation stands in a passage", check};

}  // namespace kedge::router::comparators
