// The table of confidence features: one number about an answer each, by name.
#include <algorithm>

#include "engine/sampler_math.h"
#include "router/comparator.h"
#include "router/feature.h"
#include "router/text_norm.h"
#include "router/words.h"

namespace kedge::router {
namespace {

using Trace = const AnswerTrace&;

double count(size_t n) { return static_cast<double>(n); }

// The answer proper, before its citation.
std::span<const TokenStats> proper(Trace t) { return t.tokens.first(t.n_value); }

// An answer made of the request's own words (a list put in order, an extracted id) is another kind of answer than one
// that has to be known.
double copied(Trace t) {
  const auto answer = words(t.answer.substr(0, t.answer.find("<|")));
  if (answer.empty()) return 0;
  auto asked = words(t.question);
  std::sort(asked.begin(), asked.end());
  const auto known = std::count_if(answer.begin(), answer.end(), [&](std::string_view w) {
    return std::binary_search(asked.begin(), asked.end(), w);
  });
  return static_cast<double>(known) / static_cast<double>(answer.size());
}

constexpr size_t kLeastLetters = 4;  // shorter words are in every passage
constexpr size_t kStem = 5;          // letters that forms of one word share, mostly

// "Not found" is doubtful where a passage speaks of what was asked.
double declined_named(Trace t) {
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

double question_foreign(Trace t) {
  size_t foreign = 0;
  for (const char c : t.question) foreign += (static_cast<unsigned char>(c) & 0x80U) != 0 ? 1 : 0;
  return t.question.empty() ? 0 : static_cast<double>(foreign) / static_cast<double>(t.question.size());
}

double log_length(size_t n) { return stable_log(1.0 + static_cast<double>(n)); }

constexpr auto kLogprob = &TokenStats::logprob;
constexpr auto kEntropy = &TokenStats::entropy;
constexpr auto kMargin = &TokenStats::margin;

constexpr FeatureDef kFeatures[] = {
    {"checks_failed", "comparators that failed the answer", [](Trace t) { return count(t.checks_failed); }},
    {"checks_passed", "comparators that passed the answer", [](Trace t) { return count(t.checks_passed); }},
    {"copied", "share of the answer's words that stand in the question", copied},
    {"declined", "1 when the answer is that there is none", [](Trace t) { return declines(t.answer) ? 1.0 : 0.0; }},
    {"declined_named", "of an answer that there is none: the share of the question's words that one passage has",
     declined_named},
    {"first_entropy", "entropy of the first token, nats",
     [](Trace t) { return t.tokens.empty() ? 0.0 : t.tokens[0].entropy; }},
    {"first_logprob", "log-probability of the first token",
     [](Trace t) { return t.tokens.empty() ? 0.0 : t.tokens[0].logprob; }},
    {"length", "log of 1 + the number of tokens", [](Trace t) { return log_length(t.tokens.size()); }},
    {"max_entropy", "largest entropy of a token, nats", [](Trace t) { return max_of(t.tokens, kEntropy); }},
    {"mean_entropy", "mean entropy of the tokens, nats", [](Trace t) { return mean_of(t.tokens, kEntropy); }},
    {"mean_logprob", "mean log-probability of all tokens", [](Trace t) { return mean_of(t.tokens, kLogprob); }},
    {"mean_margin", "mean distance from the best logit to the second",
     [](Trace t) { return mean_of(t.tokens, kMargin); }},
    {"min_logprob", "lowest log-probability of a token", [](Trace t) { return min_of(t.tokens, kLogprob); }},
    {"min_margin", "smallest distance from the best logit to the second",
     [](Trace t) { return min_of(t.tokens, kMargin); }},
    {"min_probability", "lowest probability of a token",
     [](Trace t) { return stable_exp(min_of(t.tokens, kLogprob)); }},
    {"min_top_mass", "smallest probability of the ten most likely tokens together",
     [](Trace t) { return min_of(t.tokens, &TokenStats::top_mass); }},
    {"q10_logprob", "tenth percentile of the log-probabilities",
     [](Trace t) { return quantile_of(t.tokens, kLogprob, 0.10); }},
    {"q25_logprob", "first quartile of the log-probabilities",
     [](Trace t) { return quantile_of(t.tokens, kLogprob, 0.25); }},
    {"question_end", "log-probability that the question ends where it does",
     [](Trace t) { return min_of(t.question_tokens, TokenPart::kEnd); }},
    {"question_foreign", "share of the question's bytes that are not ASCII", question_foreign},
    {"question_length", "log of 1 + the number of the question's tokens that were looked at",
     [](Trace t) { return log_length(t.question_tokens.size()); }},
    {"question_name_mean", "mean log-probability of the question's capitalised words",
     [](Trace t) { return mean_of(t.question_tokens, TokenPart::kName); }},
    {"question_name_min", "lowest log-probability of a token of the question's capitalised words",
     [](Trace t) { return min_of(t.question_tokens, TokenPart::kName); }},
    {"question_number_mean", "mean log-probability of the question's numbers",
     [](Trace t) { return mean_of(t.question_tokens, TokenPart::kNumber); }},
    {"question_text_mean", "mean log-probability of what the question brings along behind a colon or question mark",
     [](Trace t) { return mean_of(t.question_tokens, TokenPart::kText); }},
    {"question_wording_mean", "mean log-probability of the question's words that begin small, and of punctuation",
     [](Trace t) { return mean_of(t.question_tokens, TokenPart::kWording); }},
    {"question_wording_min", "lowest log-probability of a token of the question's wording",
     [](Trace t) { return min_of(t.question_tokens, TokenPart::kWording); }},
    {"value_length", "log of 1 + the number of tokens of the answer proper",
     [](Trace t) { return log_length(t.n_value); }},
    {"value_max_entropy", "largest entropy of the answer proper, nats",
     [](Trace t) { return max_of(proper(t), kEntropy); }},
    {"value_mean_logprob", "mean log-probability of the answer proper, before its citation",
     [](Trace t) { return mean_of(proper(t), kLogprob); }},
    {"value_min_logprob", "lowest log-probability of the answer proper",
     [](Trace t) { return min_of(proper(t), kLogprob); }},
    {"value_min_margin", "smallest margin of the answer proper", [](Trace t) { return min_of(proper(t), kMargin); }},
    {"value_min_probability", "lowest probability of a token of the answer proper",
     [](Trace t) { return stable_exp(min_of(proper(t), kLogprob)); }},
};

static_assert(std::is_sorted(std::begin(kFeatures), std::end(kFeatures), [](const FeatureDef& a, const FeatureDef& b) {
  return std::string_view(a.name) < std::string_view(b.name);
}));

}  // namespace

std::span<const FeatureDef> all_features() { return kFeatures; }

}  // namespace kedge::router
