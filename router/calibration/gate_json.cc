// Gates as a member of calibrator files.
#include <algorithm>

#include "router/calibration/gate.h"
#include "router/calibration/json_members.h"

namespace kedge::router {
namespace {

constexpr ErrorCode kBad = ErrorCode::kCorrupt;

Result<std::vector<double>> numbers(const Json& json, const std::string& where, const char* key, size_t length) {
  KEDGE_ASSIGN(list, need_member(json, where, key, kBad));
  if (!list->is_array() || list->size() != length) {
    return wrong_member(where, key, "is not an array of " + std::to_string(length) + " numbers", kBad);
  }
  std::vector<double> out;
  for (const Json& value : *list) {
    KEDGE_ASSIGN(number, finite_number(value, where, key, kBad));
    out.push_back(number);
  }
  return out;
}

Result<std::vector<std::string>> texts(const Json& json, const std::string& where, const char* key) {
  KEDGE_ASSIGN(list, need_member(json, where, key, kBad));
  if (!list->is_array()) return wrong_member(where, key, "is not an array of texts", kBad);
  std::vector<std::string> out;
  for (const Json& value : *list) {
    if (!value.is_string()) return wrong_member(where, key, "has an element that is no text", kBad);
    out.push_back(value.get<std::string>());
  }
  return out;
}

Result<std::vector<std::string>> sorted_texts(const Json& json, const std::string& where, const char* key) {
  KEDGE_ASSIGN(out, texts(json, where, key));
  if (!std::is_sorted(out.begin(), out.end())) return wrong_member(where, key, "is not in order", kBad);
  return out;
}

}  // namespace

Json gate_json(const Gate& gate) {
  return {{"features", gate.features},
          {"mean", gate.model.mean},
          {"scale", gate.model.scale},
          {"weights", gate.model.weights},
          {"bias", gate.model.bias},
          {"cut", gate.cut},
          {"low", gate.low},
          {"high", gate.high},
          {"openers", gate.openers},
          {"pairs", gate.pairs},
          {"fit", gate.fit}};
}

Result<Gate> parse_gate(const Json& json, const std::string& where) {
  KEDGE_TRY(only_members(
      json, where, {"features", "mean", "scale", "weights", "bias", "cut", "low", "high", "openers", "pairs", "fit"},
      kBad));
  Gate gate;
  KEDGE_ASSIGN(features, texts(json, where, "features"));
  if (features.empty() || features.back() != Gate::kUnseen) {
    return wrong_member(where, "features", std::string("does not end with ") + Gate::kUnseen, kBad);
  }
  const size_t n = features.size();
  KEDGE_ASSIGN(mean, numbers(json, where, "mean", n));
  KEDGE_ASSIGN(scale, numbers(json, where, "scale", n));
  KEDGE_ASSIGN(weights, numbers(json, where, "weights", n));
  KEDGE_ASSIGN(bias, number_member(json, where, "bias", kBad));
  KEDGE_ASSIGN(cut, number_member(json, where, "cut", kBad));
  KEDGE_ASSIGN(low, numbers(json, where, "low", n));
  KEDGE_ASSIGN(high, numbers(json, where, "high", n));
  KEDGE_ASSIGN(openers, sorted_texts(json, where, "openers"));
  KEDGE_ASSIGN(pairs, sorted_texts(json, where, "pairs"));
  KEDGE_ASSIGN(fit, need_member(json, where, "fit", kBad));
  for (size_t j = 0; j < n; ++j) {
    if (!(scale[j] > 0)) return wrong_member(where, "scale", "has a value that is not over 0", kBad);
    if (low[j] > high[j]) return wrong_member(where, "low", "has a value over that of high", kBad);
  }
  gate.features = std::move(features);
  gate.model = {.mean = std::move(mean), .scale = std::move(scale), .weights = std::move(weights), .bias = bias};
  gate.cut = cut;
  gate.low = std::move(low);
  gate.high = std::move(high);
  gate.openers = std::move(openers);
  gate.pairs = std::move(pairs);
  gate.fit = *fit;
  return gate;
}

}  // namespace kedge::router
