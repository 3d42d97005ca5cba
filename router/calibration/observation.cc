#include "router/calibration/observation.h"

#include <algorithm>
#include <limits>

#include "router/calibration/json_members.h"

namespace kedge::router {
namespace {

constexpr uint64_t kSplitStream = 1;

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

Status read_features(const Json& row, const std::string& where, const ObservationSet& set, bool others_allowed,
                     std::vector<double>& out) {
  KEDGE_ASSIGN(given, need_member(row, where, "features"));
  if (!given->is_object()) return wrong_member(where, "features", "is not an object");
  for (const auto& [name, value] : given->items()) {
    KEDGE_TRY(finite_number(value, where, "feature '" + name + "'"));
    if (others_allowed || std::find(set.features.begin(), set.features.end(), name) != set.features.end()) continue;
    return wrong_member(where, "feature '" + name + "'", "is not in the first row");
  }
  for (const std::string& name : set.features) {
    const auto found = given->find(name);
    if (found == given->end()) return wrong_member(where, "feature '" + name + "'", "is missing");
    out.push_back(found->get<double>());
  }
  return {};
}

Result<std::optional<double>> read_seconds(const Json& object, const std::string& where) {
  KEDGE_ASSIGN(seconds, optional_number(object, where, "cpu_s"));
  if (seconds && *seconds < 0) return wrong_member(where, "cpu_s", "is negative");
  return seconds;
}

Result<DeepAnswer> read_deep(const Json& deep, const std::string& where) {
  KEDGE_TRY(only_members(deep, where, {"features", "correct", "cpu_s"}));
  DeepAnswer answer;
  KEDGE_ASSIGN(correct, bool_member(deep, where, "correct"));
  answer.correct = correct;
  KEDGE_ASSIGN(seconds, read_seconds(deep, where));
  answer.cpu_s = seconds;
  const auto features = deep.find("features");
  if (features == deep.end()) return answer;
  if (!features->is_object()) return wrong_member(where, "features", "is not an object");
  for (const auto& [name, value] : features->items()) {
    KEDGE_TRY(finite_number(value, where, "feature '" + name + "'"));
  }
  return answer;
}

Status read_report_members(const Json& row, const std::string& where, LabelledAnswer& o) {
  KEDGE_ASSIGN(p, number_member(row, where, "p"));
  if (p < 0 || p > 1) return wrong_member(where, "p", "is " + std::to_string(p) + ", not a probability");
  o.p = p;
  KEDGE_ASSIGN(gain, optional_number(row, where, "gain"));
  KEDGE_ASSIGN(knn, optional_number(row, where, "knn"));
  o.gain = gain;
  o.knn = knn;
  const auto tau = row.find("tau");
  if (tau == row.end()) return {};
  if (tau->is_null()) {
    o.tau = std::numeric_limits<double>::infinity();
    return {};
  }
  KEDGE_ASSIGN(value, finite_number(*tau, where, "tau"));
  o.tau = value;
  return {};
}

Result<LabelledAnswer> read_row(const Json& row, std::string where, const ObservationSet& set, bool others_allowed,
                                RowUse use) {
  if (use == RowUse::kReport) {
    KEDGE_TRY(
        only_members(row, where, {"id", "task", "features", "correct", "cpu_s", "deep", "p", "tau", "gain", "knn"}));
  } else {
    KEDGE_TRY(only_members(row, where, {"id", "task", "features", "correct", "cpu_s", "deep", "question", "reworded"}));
  }
  LabelledAnswer o;
  KEDGE_ASSIGN(id, text_member(row, where, "id"));
  if (id.empty()) return wrong_member(where, "id", "is empty");
  o.id = std::move(id);
  where += " (" + o.id + ")";
  if (row.contains("task")) {
    KEDGE_ASSIGN(task, text_member(row, where, "task"));
    o.task = std::move(task);
  }
  KEDGE_ASSIGN(correct, bool_member(row, where, "correct"));
  o.correct = correct;
  if (row.contains("question")) {
    KEDGE_ASSIGN(question, text_member(row, where, "question"));
    o.question = std::move(question);
  }
  if (row.contains("reworded")) {
    KEDGE_ASSIGN(reworded, bool_member(row, where, "reworded"));
    o.reworded = reworded;
  }
  KEDGE_ASSIGN(seconds, read_seconds(row, where));
  o.cpu_s = seconds;
  if (use == RowUse::kCalibrate || !set.features.empty() || row.contains("features")) {
    KEDGE_TRY(read_features(row, where, set, others_allowed, o.features));
  }
  if (row.contains("deep")) {
    KEDGE_ASSIGN(deep, read_deep(row["deep"], where + ": deep"));
    o.deep = deep;
  }
  if (use == RowUse::kReport) KEDGE_TRY(read_report_members(row, where, o));
  return o;
}

}  // namespace

Result<ObservationSet> parse_observations(const Json& rows, const std::vector<std::string>& wanted, RowUse use) {
  if (!rows.is_array() || rows.empty()) {
    return Error{ErrorCode::kInvalidArgument, "observations is not an array of at least one row"};
  }
  ObservationSet set;
  set.features = wanted;
  const bool from_first = wanted.empty() && use == RowUse::kCalibrate;
  if (from_first && rows[0].is_object() && rows[0].contains("features") && rows[0]["features"].is_object()) {
    for (const auto& [name, value] : rows[0]["features"].items()) set.features.push_back(name);
    std::sort(set.features.begin(), set.features.end());
  }
  set.rows.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    KEDGE_ASSIGN(row, read_row(rows[i], "observations[" + std::to_string(i) + "]", set, !from_first, use));
    set.rows.push_back(std::move(row));
  }
  std::sort(set.rows.begin(), set.rows.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  for (size_t i = 1; i < set.rows.size(); ++i) {
    if (set.rows[i].id != set.rows[i - 1].id) continue;
    return Error{ErrorCode::kInvalidArgument, "observations: the id " + set.rows[i].id + " is there twice"};
  }
  return set;
}

double hash_uniform(std::string_view id, uint64_t seed, uint64_t stream) {
  uint64_t h = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : id) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  h = mix(h + mix(seed + 0x9e3779b97f4a7c15 * (stream + 1)));
  return static_cast<double>(h >> 11) * 0x1p-53;
}

size_t split_of(std::string_view id, uint64_t seed, const std::array<double, 3>& fractions) {
  const double u = hash_uniform(id, seed, kSplitStream);
  return u < fractions[0] ? 0 : u < fractions[0] + fractions[1] ? 1 : 2;
}

}  // namespace kedge::router
