// Calibrators as files.
#include <cmath>
#include <map>

#include "kernels/base/input_file.h"
#include "kernels/base/sha256.h"
#include "router/calibration/calibrator.h"
#include "router/calibration/json_members.h"

namespace kedge::router {
namespace {

constexpr const char* kFormat = "kedge-calibrator-2";
constexpr ErrorCode kBad = ErrorCode::kCorrupt;

Error corrupt(const std::string& where, const std::string& problem) { return {kBad, where + " " + problem}; }

// Members by name, whole numbers without a fraction: however a file was written, its content has one text.
Json canonical(const Json& value) {
  if (value.is_object()) {
    std::map<std::string_view, Json> members;
    for (const auto& [key, member] : value.items()) members[key] = canonical(member);
    Json object = Json::object();
    for (auto& [key, member] : members) object[key] = std::move(member);
    return object;
  }
  if (value.is_array()) {
    Json array = Json::array();
    for (const Json& element : value) array.push_back(canonical(element));
    return array;
  }
  if (value.is_number()) {
    const double number = value.get<double>();
    if (number == std::floor(number) && std::abs(number) <= 0x1p53) return static_cast<int64_t>(number);
    return number;
  }
  return value;
}

std::string content_id(Json file) {
  file.erase("id");
  return "sha256:" + sha256_hex(canonical(file).dump());
}

Json map_json(const MonotoneMap& map) {
  if (map.kind == MonotoneMap::Kind::kPlatt) return {{"kind", "platt"}, {"slope", map.slope}, {"offset", map.offset}};
  return {{"kind", "isotonic"}, {"logits", map.logits}, {"values", map.values}};
}

void put_head(const Calibrator& head, Json& out) {
  out["mean"] = head.model.mean;
  out["scale"] = head.model.scale;
  out["weights"] = head.model.weights;
  out["bias"] = head.model.bias;
  out["map"] = map_json(head.map);
  out["fit"] = head.fit;
}

Json threshold_json(const RiskThreshold& t) {
  Json out = {{"alpha", t.alpha},       {"delta", t.delta}, {"tau", std::isfinite(t.tau) ? Json(t.tau) : Json()},
              {"accepted", t.accepted}, {"n", t.n},         {"errors", t.errors},
              {"bound", t.bound}};
  if (!t.reason.empty()) out["reason"] = t.reason;
  return out;
}

Result<std::vector<double>> numbers(const Json& object, const std::string& where, const char* key) {
  KEDGE_ASSIGN(list, need_member(object, where, key, kBad));
  if (!list->is_array()) return wrong_member(where, key, "is not an array", kBad);
  std::vector<double> out;
  for (const Json& value : *list) {
    KEDGE_ASSIGN(number, finite_number(value, where, key, kBad));
    out.push_back(number);
  }
  return out;
}

Result<std::vector<double>> numbers(const Json& object, const std::string& where, const char* key, size_t length) {
  KEDGE_ASSIGN(out, numbers(object, where, key));
  if (out.size() == length) return out;
  return wrong_member(where, key, "has " + std::to_string(out.size()) + " values for " + std::to_string(length), kBad);
}

Result<MonotoneMap> read_map(const Json& head, const std::string& head_name) {
  KEDGE_ASSIGN(json, need_member(head, head_name, "map", kBad));
  const std::string where = head_name + ": map";
  if (!json->is_object()) return corrupt(where, "is not an object");
  KEDGE_ASSIGN(kind, text_member(*json, where, "kind", kBad));
  MonotoneMap map;
  if (kind == "platt") {
    KEDGE_TRY(only_members(*json, where, {"kind", "slope", "offset"}, kBad));
    KEDGE_ASSIGN(slope, number_member(*json, where, "slope", kBad));
    KEDGE_ASSIGN(offset, number_member(*json, where, "offset", kBad));
    if (slope < 0) return wrong_member(where, "slope", "is negative: the map is not monotone", kBad);
    map.slope = slope;
    map.offset = offset;
    return map;
  }
  if (kind != "isotonic") return wrong_member(where, "kind", "is '" + kind + "', not platt or isotonic", kBad);
  KEDGE_TRY(only_members(*json, where, {"kind", "logits", "values"}, kBad));
  map.kind = MonotoneMap::Kind::kIsotonic;
  KEDGE_ASSIGN(logits, numbers(*json, where, "logits"));
  if (logits.empty()) return wrong_member(where, "logits", "is empty", kBad);
  KEDGE_ASSIGN(values, numbers(*json, where, "values", logits.size()));
  for (size_t i = 0; i < logits.size(); ++i) {
    const std::string at = "[" + std::to_string(i) + "]";
    if (!(values[i] > 0 && values[i] < 1)) return wrong_member(where, "values" + at, "is not in (0, 1)", kBad);
    if (i == 0) continue;
    if (logits[i] <= logits[i - 1]) return wrong_member(where, "logits" + at, "does not ascend", kBad);
    if (values[i] < values[i - 1]) return wrong_member(where, "values" + at, "descends: not monotone", kBad);
  }
  map.logits = std::move(logits);
  map.values = std::move(values);
  return map;
}

Status read_head(const Json& json, const std::string& where, size_t n_features, Calibrator& head) {
  KEDGE_ASSIGN(mean, numbers(json, where, "mean", n_features));
  KEDGE_ASSIGN(scale, numbers(json, where, "scale", n_features));
  KEDGE_ASSIGN(weights, numbers(json, where, "weights", n_features));
  KEDGE_ASSIGN(bias, number_member(json, where, "bias", kBad));
  for (const double s : scale) {
    if (!(s > 0)) return wrong_member(where, "scale", "has a value that is not over 0", kBad);
  }
  KEDGE_ASSIGN(map, read_map(json, where));
  KEDGE_ASSIGN(fit, need_member(json, where, "fit", kBad));
  if (!fit->is_object()) return wrong_member(where, "fit", "is not an object", kBad);
  head.model.mean = std::move(mean);
  head.model.scale = std::move(scale);
  head.model.weights = std::move(weights);
  head.model.bias = bias;
  head.map = std::move(map);
  head.fit = *fit;
  return {};
}

Result<size_t> count_of(const Json& json, const std::string& where, const char* key, size_t limit) {
  KEDGE_ASSIGN(value, number_member(json, where, key, kBad));
  if (!(value >= 0 && value <= static_cast<double>(limit) && value == std::floor(value))) {
    return wrong_member(where, key, "is not a whole number from 0 to " + std::to_string(limit), kBad);
  }
  return static_cast<size_t>(value);
}

Result<RiskThreshold> read_threshold(const Json& json, const std::string& where) {
  KEDGE_TRY(only_members(json, where, {"alpha", "delta", "tau", "accepted", "n", "errors", "bound", "reason"}, kBad));
  RiskThreshold t;
  KEDGE_ASSIGN(alpha, number_member(json, where, "alpha", kBad));
  KEDGE_ASSIGN(delta, number_member(json, where, "delta", kBad));
  KEDGE_ASSIGN(bound, number_member(json, where, "bound", kBad));
  if (!(alpha > 0 && alpha < 1)) return wrong_member(where, "alpha", "is not between 0 and 1", kBad);
  if (!(delta > 0 && delta < 1)) return wrong_member(where, "delta", "is not between 0 and 1", kBad);
  if (!(bound >= 0 && bound <= 1)) return wrong_member(where, "bound", "is not between 0 and 1", kBad);
  KEDGE_ASSIGN(n, count_of(json, where, "n", size_t{1} << 53));
  KEDGE_ASSIGN(accepted, count_of(json, where, "accepted", n));
  KEDGE_ASSIGN(errors, count_of(json, where, "errors", accepted));
  KEDGE_ASSIGN(tau, need_member(json, where, "tau", kBad));
  if (!tau->is_null()) {
    KEDGE_ASSIGN(value, finite_number(*tau, where, "tau", kBad));
    if (!(value >= 0 && value <= 1)) return wrong_member(where, "tau", "is not between 0 and 1", kBad);
    if (value < risk_floor(alpha)) {
      return wrong_member(where, "tau",
                          "is " + std::to_string(value) + ", below the floor " + std::to_string(risk_floor(alpha)) +
                              " of answers that may be wrong with rate " + std::to_string(alpha),
                          kBad);
    }
    if (bound > alpha + 1e-12) return wrong_member(where, "bound", "is over alpha, but tau accepts answers", kBad);
    t.tau = value;
  } else {
    KEDGE_ASSIGN(reason, text_member(json, where, "reason", kBad));
    t.reason = std::move(reason);
  }
  t.alpha = alpha;
  t.delta = delta;
  t.bound = bound;
  t.n = n;
  t.accepted = accepted;
  t.errors = errors;
  return t;
}

Result<std::vector<std::string>> read_names(const Json& file, const std::string& where) {
  KEDGE_ASSIGN(list, need_member(file, where, "features", kBad));
  if (!list->is_array() || list->empty()) return wrong_member(where, "features", "is not an array of names", kBad);
  std::vector<std::string> names;
  for (const Json& name : *list) {
    if (!name.is_string()) return wrong_member(where, "features", "has an element that is no text", kBad);
    names.push_back(name.get<std::string>());
    for (size_t i = 0; i + 1 < names.size(); ++i) {
      if (names[i] == names.back()) return wrong_member(where, "features", "has " + names[i] + " twice", kBad);
    }
  }
  return names;
}

Result<Calibration> read_file(const Json& file) {
  const std::string where = "calibrator";
  KEDGE_TRY(only_members(file, where,
                         {"format", "id", "model", "task", "features", "mean", "scale", "weights", "bias", "map", "fit",
                          "deep", "gate", "thresholds"},
                         kBad));
  KEDGE_ASSIGN(format, text_member(file, where, "format", kBad));
  if (format != kFormat) return wrong_member(where, "format", "is '" + format + "', not " + kFormat, kBad);
  Calibration c;
  KEDGE_ASSIGN(id, text_member(file, where, "id", kBad));
  KEDGE_ASSIGN(model, need_member(file, where, "model", kBad));
  KEDGE_ASSIGN(task, text_member(file, where, "task", kBad));
  if (!model->is_object()) return wrong_member(where, "model", "is not an object", kBad);
  KEDGE_ASSIGN(names, read_names(file, where));
  KEDGE_TRY(read_head(file, where, names.size(), c.confidence));
  c.confidence.features = names;
  if (file.contains("deep")) {
    const std::string deep = where + ": deep";
    KEDGE_TRY(only_members(file["deep"], deep, {"mean", "scale", "weights", "bias", "map", "fit"}, kBad));
    Calibrator head;
    KEDGE_TRY(read_head(file["deep"], deep, names.size(), head));
    head.features = names;
    c.deep = std::move(head);
  }
  if (file.contains("gate")) {
    KEDGE_ASSIGN(gate, parse_gate(file["gate"], where + ": gate"));
    c.gate = std::move(gate);
  }
  KEDGE_ASSIGN(thresholds, need_member(file, where, "thresholds", kBad));
  if (!thresholds->is_array()) return wrong_member(where, "thresholds", "is not an array", kBad);
  for (size_t i = 0; i < thresholds->size(); ++i) {
    KEDGE_ASSIGN(t, read_threshold((*thresholds)[i], where + ": thresholds[" + std::to_string(i) + "]"));
    c.thresholds.push_back(std::move(t));
  }
  const std::string computed = content_id(file);
  if (id != computed) return wrong_member(where, "id", "is " + id + ", but the content has " + computed, kBad);
  c.id = std::move(id);
  c.model = *model;
  c.task = std::move(task);
  return c;
}

}  // namespace

Json calibration_json(const Calibration& c) {
  Json file = {{"format", kFormat}, {"id", c.id}, {"model", c.model}, {"task", c.task}};
  file["features"] = c.confidence.features;
  put_head(c.confidence, file);
  if (c.deep) {
    file["deep"] = Json::object();
    put_head(*c.deep, file["deep"]);
  }
  if (c.gate) file["gate"] = gate_json(*c.gate);
  file["thresholds"] = Json::array();
  for (const RiskThreshold& t : c.thresholds) file["thresholds"].push_back(threshold_json(t));
  return file;
}

void seal(Calibration& calibration) { calibration.id = content_id(calibration_json(calibration)); }

Result<Calibration> parse_calibration(std::string_view text) {
  Result<Json> file = parse_json(text, "calibrator");
  if (!file.ok()) return Error{kBad, file.error().message};
  return read_file(*file);
}

Result<Calibration> read_calibration(const std::string& path) {
  KEDGE_ASSIGN(text, read_input_file(path));
  Result<Calibration> calibration = parse_calibration(text);
  if (calibration.ok()) return calibration;
  return Error{calibration.error().code, path + ": " + calibration.error().message};
}

}  // namespace kedge::router
