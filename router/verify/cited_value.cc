// The value has to stand in what its citation quotes, or in the passage the citation resolves to.
#include <algorithm>

#include "router/citation.h"

namespace kedge::router::comparators {
namespace {

constexpr size_t npos = std::string_view::npos;
constexpr long kMaxWords = 3;

// Sentences of the model's own need not stand anywhere; what is marked as a value does, and so does an answer that is
// nothing but a few words and a citation.
bool is_value(const Citation& c, size_t n_citations) {
  const std::string value = folded(bare_value(c.value));
  if (value.empty() || value == "yes" || value == "no" || value == "true" || value == "false") return false;
  if (c.marked) return true;
  return n_citations == 1 && std::count(value.begin(), value.end(), ' ') < kMaxWords;
}

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "cited_value", .explanation = {}};
  if (input.evidence.empty() || declines(input.answer)) return result;
  const ParsedAnswer answer = parse_answer(input.answer, input.evidence);
  for (const Citation& c : answer.citations) {
    if (!is_value(c, answer.citations.size())) continue;
    const std::string value = normalized(c.value);
    const ResolvedCitation r = resolve_citation(c, input.question, input.evidence);
    result.verdict = Verdict::kFail;
    if (r.by == ResolvedBy::kNone) {
      result.explanation = "'" + value + "' is cited from [" + c.id + "], and no passage is that or holds it";
      return result;
    }
    const bool quoted = !c.quote.empty();
    const std::string text = normalized(quoted ? c.quote : input.evidence[r.evidence].text);
    if (find_words_any_initial(text, bare_value(value)) == npos) {
      result.explanation = quoted ? "'" + value + "' does not stand in the quotation \"" + c.quote + "\""
                                  : "'" + value + "' does not stand in [" + r.resolved_id + "]";
      return result;
    }
    result.verdict = Verdict::kPass;
    result.explanation += (result.explanation.empty() ? "'" : ", '") + value + "' stands in [" + r.resolved_id + "]";
  }
  return result;
}

}  // namespace

extern constinit const ComparatorDef cited_value;
constinit const ComparatorDef cited_value = {"cited_value", "the value stands in what it is cited from", check};

}  // namespace kedge::router::comparators
