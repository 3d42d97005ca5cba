// The C interface: a calibrator file used by itself.
#include <cmath>

#include "include/kedge/kedge_router.h"
#include "kernels/base/capi.h"
#include "kernels/base/json_object.h"
#include "router/calibration/calibrator.h"

using namespace kedge::router;
using namespace kedge::base::capi;

namespace {

Result<double> probability_of(const Calibrator& calibrator, const Json& features) {
  std::vector<NamedFeature> named;
  for (const auto& [name, value] : features.items()) {
    if (!value.is_number()) return invalid("request.features: " + name + " is not a number");
    named.push_back({name, value.get<double>()});
  }
  std::vector<double> values(calibrator.features.size());
  KEDGE_TRY(calibrator.gather(named, values));
  return calibrator.probability(values);
}

Result<bool> is_inside(const Gate& gate, const Json& question, const Json& features) {
  if (!question.is_string()) return invalid("request.questions: has an element that is no text");
  std::vector<std::string> names;
  std::vector<double> row;
  for (const auto& [name, value] : features.items()) {
    names.push_back(name);
    row.push_back(value.get<double>());
  }
  return gate(question.get<std::string>(), gate.values(names, row)).inside;
}

Result<Json> apply(std::string_view text) {
  KEDGE_ASSIGN(o, JsonObject::parse(text, "request"));
  const Json* file = o.find("calibrator");
  const Json* rows = o.find("features");
  const Json* questions = o.find("questions");
  double alpha = 0.10;
  KEDGE_TRY(o.number("alpha", alpha, 0, 1));
  KEDGE_TRY(o.finish());
  if (file == nullptr) return o.wrong("calibrator", "is missing");
  if (rows == nullptr || !rows->is_array()) return o.wrong("features", "is not a list of objects");
  KEDGE_ASSIGN(calibration, parse_calibration(file->dump()));
  const RiskThreshold* threshold = calibration.threshold(alpha);
  if (questions != nullptr && (!questions->is_array() || questions->size() != rows->size())) {
    return o.wrong("questions", "is not a list of as many texts as features");
  }
  Json answers = Json::array();
  for (const Json& row : *rows) {
    if (!row.is_object()) return o.wrong("features", "is not a list of objects");
    KEDGE_ASSIGN(p, probability_of(calibration.confidence, row));
    Json answer = {{"p", p}, {"accepted", threshold != nullptr && threshold->accepts(p)}};
    if (calibration.deep) {
      KEDGE_ASSIGN(p_deep, probability_of(*calibration.deep, row));
      answer["p_deep"] = p_deep;
    }
    if (calibration.gate && questions != nullptr) {
      KEDGE_ASSIGN(inside, is_inside(*calibration.gate, (*questions)[answers.size()], row));
      answer["inside"] = inside;
      if (!inside) answer["accepted"] = false;
    }
    answers.push_back(std::move(answer));
  }
  const bool finite = threshold != nullptr && std::isfinite(threshold->tau);
  return Json{{"threshold", finite ? Json(threshold->tau) : Json()}, {"answers", std::move(answers)}};
}

}  // namespace

extern "C" kedge_status kedge_calibrator_apply(const char* request, size_t request_size, char** json,
                                               size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(text, in_text(request, request_size, "the request"));
    KEDGE_ASSIGN(answer, apply(text));
    return give_text(answer.dump(), json, json_size);
  });
}
