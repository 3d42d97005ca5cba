#include "router/score.h"

#include <algorithm>

#include "router/feature.h"

namespace kedge::router {
namespace {

size_t count(const Attempt& a, Verdict verdict) {
  return static_cast<size_t>(
      std::count_if(a.checks.begin(), a.checks.end(), [&](const CheckResult& c) { return c.verdict == verdict; }));
}

Result<double> probability(const Calibrator& calibrator, std::span<const double> features) {
  std::vector<NamedFeature> named;
  named.reserve(features.size());
  for (size_t i = 0; i < features.size(); ++i) named.push_back({all_features()[i].name, features[i]});
  std::vector<double> values(calibrator.features.size());
  KEDGE_TRY(calibrator.gather(named, values));
  return calibrator.probability(values);
}

}  // namespace

AnswerTrace trace_of(const Attempt& a, std::span<const TokenStats> stats, std::string_view question) {
  const Tokenizer& tokenizer = a.model->model()->tokenizer();
  size_t n_value = 0;
  while (n_value < stats.size() && !tokenizer.is_control(stats[n_value].token)) ++n_value;
  return {.tokens = stats,
          .n_value = std::max(n_value, std::min<size_t>(1, stats.size())),
          .question_tokens = a.question,
          .question = question,
          .answer = a.text,
          .n_prompt = a.prompt.size(),
          .n_evidence = a.n_evidence,
          .checks_passed = count(a, Verdict::kPass),
          .checks_failed = count(a, Verdict::kFail)};
}

Status score(Attempt& a, std::span<const TokenStats> stats, const CheckInput& input) {
  if (!a.aborted) {
    KEDGE_ASSIGN(checks, check_answer(input));
    a.checks = std::move(checks);
    a.citations = resolve_answer(input.question, input.answer, input.evidence);
  }
  AnswerTrace trace = trace_of(a, stats, input.question);
  trace.evidence = input.evidence.data();
  a.features = feature_values(trace);
  if (a.calibration == nullptr) return {};
  if (const auto& gate = a.calibration->gate)
    a.gate = (*gate)(input.question, gate->values(feature_names(), a.features));
  if (a.aborted || a.outside()) return {};
  KEDGE_ASSIGN(p, probability(a.calibration->confidence, a.features));
  a.p = p;
  if (a.calibration->deep) {
    KEDGE_ASSIGN(p_deep, probability(*a.calibration->deep, a.features));
    a.p_deep = p_deep;
  }
  return {};
}

bool is_hopeful(const Attempt& a, std::span<const TokenStats> stats, std::string_view question) {
  constexpr TokenStats kCertain{.token = -1, .logprob = 0, .margin = 25, .entropy = 0, .top_mass = 1};
  std::vector<TokenStats> completed(stats.begin(), stats.end());
  for (const size_t more : {size_t{1}, size_t{4}, size_t{16}}) {
    completed.resize(stats.size());
    completed.resize(stats.size() + more, kCertain);
    AnswerTrace best = trace_of(a, stats, question);
    best.tokens = completed;
    if (best.n_value == stats.size()) best.n_value = completed.size();
    const auto p = probability(a.calibration->confidence, feature_values(best));
    if (!p.ok() || *p >= *a.threshold) return true;
  }
  return false;
}

}  // namespace kedge::router
