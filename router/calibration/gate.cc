#include "router/calibration/gate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "router/calibration/wording.h"

namespace kedge::router {
namespace {

constexpr double kLambda = 1e-2;     // outside rows are few
constexpr double kMargin = 0.05;     // of a feature's range
constexpr size_t kMostPairs = 2000;  // kept, the usual ones
constexpr size_t kLeastRows = 20;    // of each kind

std::string show(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

double unseen_share(const Gate& gate, std::string_view question) {
  const auto pairs = wording_pairs(asked_part(question), gate.openers);
  const auto unseen = std::count_if(pairs.begin(), pairs.end(), [&](const std::string& pair) {
    return !std::binary_search(gate.pairs.begin(), gate.pairs.end(), pair);
  });
  return static_cast<double>(unseen) / static_cast<double>(pairs.size());
}

std::vector<std::string> at_least(const std::map<std::string, size_t>& counts, size_t least, size_t most) {
  std::vector<std::pair<std::string, size_t>> list;
  for (const auto& [text, n] : counts) {
    if (n >= least) list.emplace_back(text, n);
  }
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  list.resize(std::min(list.size(), most));
  std::vector<std::string> out;
  for (auto& [text, n] : list) out.push_back(std::move(text));
  std::sort(out.begin(), out.end());
  return out;
}

void learn_wording(const std::vector<const LabelledAnswer*>& rows, Gate& gate) {
  std::map<std::string, size_t> openers;
  for (const LabelledAnswer* row : rows) ++openers[std::string(opening_word(asked_part(row->question)))];
  openers.erase("");
  gate.openers = at_least(openers, std::max<size_t>(3, rows.size() / 200), kMostPairs);
  std::map<std::string, size_t> pairs;
  for (const LabelledAnswer* row : rows) {
    for (std::string& pair : wording_pairs(asked_part(row->question), gate.openers)) ++pairs[std::move(pair)];
  }
  gate.pairs = at_least(pairs, 2, kMostPairs);
}

double share_inside(const Gate& gate, std::span<const std::string> names,
                    const std::vector<const LabelledAnswer*>& rows) {
  const auto n = std::count_if(rows.begin(), rows.end(), [&](const LabelledAnswer* row) {
    return gate(row->question, gate.values(names, row->features)).inside;
  });
  return rows.empty() ? 0 : static_cast<double>(n) / static_cast<double>(rows.size());
}

}  // namespace

Gate::Verdict Gate::operator()(std::string_view question, std::span<const double> values) const {
  std::vector<double> x(values.begin(), values.end());
  x.push_back(unseen_share(*this, question));
  Verdict verdict{.inside = false, .score = model.logit(x), .why = {}};
  for (size_t j = 0; j < x.size(); ++j) {
    if (x[j] >= low[j] && x[j] <= high[j]) continue;
    verdict.why =
        features[j] + " is " + show(x[j]) + "; calibration questions have " + show(low[j]) + " to " + show(high[j]);
    return verdict;
  }
  verdict.inside = verdict.score >= cut;  // false for NaN
  if (!verdict.inside) {
    verdict.why = "likeness " + show(verdict.score) + " is below " + show(cut);
    if (x.back() > 0) verdict.why += "; " + show(100 * x.back()) + " % of its pairs of words are in none of them";
  }
  return verdict;
}

std::vector<double> Gate::values(std::span<const std::string> names, std::span<const double> row) const {
  std::vector<double> out;
  for (size_t j = 0; j + 1 < features.size(); ++j) {
    const auto at = std::find(names.begin(), names.end(), features[j]);
    out.push_back(at == names.end() ? NAN : row[static_cast<size_t>(at - names.begin())]);
  }
  return out;
}

Result<Gate> fit_gate(const std::vector<std::string>& names, const GateRows& rows) {
  Gate gate;
  std::copy_if(names.begin(), names.end(), std::back_inserter(gate.features),
               [](std::string_view name) { return name.starts_with(kQuestionPrefix); });
  const auto bad = [](std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; };
  if (gate.features.empty())
    return bad("outside: the rows have no features of the question, which begin with question_");
  for (const auto* part : {&rows.fit, &rows.calibrate, &rows.outside}) {
    if (part->size() >= kLeastRows) continue;
    return bad("the gate has " + std::to_string(part->size()) +
               " rows to fit, to cut or of outside questions; at least " + std::to_string(kLeastRows) + " of each");
  }
  gate.features.emplace_back(Gate::kUnseen);
  learn_wording(rows.fit, gate);
  const auto values_of = [&](const LabelledAnswer& row, bool inside = true) {
    std::vector<double> x =
        gate.values(inside ? std::span<const std::string>(names) : rows.outside_features, row.features);
    x.push_back(unseen_share(gate, row.question));
    return x;
  };
  LogisticData data;
  data.n_features = gate.features.size();
  gate.low.assign(data.n_features, INFINITY);
  gate.high.assign(data.n_features, -INFINITY);
  const auto widen = [&](const std::vector<double>& x) {
    for (size_t j = 0; j < x.size(); ++j) {
      gate.low[j] = std::min(gate.low[j], x[j]);
      gate.high[j] = std::max(gate.high[j], x[j]);
    }
  };
  for (const bool inside : {true, false}) {
    for (const LabelledAnswer* row : inside ? rows.fit : rows.outside) {
      const std::vector<double> x = values_of(*row, inside);
      data.x.insert(data.x.end(), x.begin(), x.end());
      data.targets.push_back(inside ? 1 : 0);
      if (inside) widen(x);
    }
  }
  KEDGE_ASSIGN(model, fit_logistic(data, kLambda));
  gate.model = std::move(model);
  std::vector<double> scores;
  for (const LabelledAnswer* row : rows.calibrate) {
    const std::vector<double> x = values_of(*row);
    widen(x);
    scores.push_back(gate.model.logit(x));
  }
  for (size_t j = 0; j < data.n_features; ++j) {
    const double margin = kMargin * (gate.high[j] - gate.low[j]);
    gate.low[j] -= margin;
    gate.high[j] += margin;
  }
  std::sort(scores.begin(), scores.end());
  gate.cut = scores[static_cast<size_t>((1 - kGateKeeps) * static_cast<double>(scores.size()))];
  gate.fit = {{"inside", rows.fit.size() + rows.calibrate.size()},
              {"inside_kept", share_inside(gate, names, rows.calibrate)},
              {"outside", rows.outside.size()},
              {"outside_kept", share_inside(gate, rows.outside_features, rows.outside)}};
  return gate;
}

}  // namespace kedge::router
