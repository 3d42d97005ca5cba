#include "engine/capi/settings_json.h"

#include <cmath>

#include "engine/generate.h"
#include "engine/sampler.h"
#include "kernels/base/json.h"
#include "kernels/kv_format.h"
#include "memory/eviction/policy.h"

namespace kedge::engine {
namespace {

// Integers without a decimal point; JSON has no infinities.
Json number(double value) {
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (value == std::floor(value) && std::fabs(value) < 1e15) return static_cast<int64_t>(value);
  return value;
}

std::string text_of(const Json& json) { return json.dump(); }

}  // namespace

std::string settings_schema_json() {
  Json schema = {{"order", Json::array()},
                 {"settings", Json::array()},
                 {"policies", Json::array()},
                 {"cache_types", Json::array()}};
  for (const SamplerDef* def : sampler_defs()) {
    schema["order"].push_back(def->name);
    for (const SamplerSetting& s : def->settings) {
      schema["settings"].push_back({{"name", s.name},
                                    {"sampler", def->name},
                                    {"type", s.integer ? "int" : "float"},
                                    {"default", number(s.initial)},
                                    {"min", number(s.min)},
                                    {"max", number(s.max)},
                                    {"off", std::isnan(s.off) ? Json() : number(s.off)},
                                    {"doc", s.doc}});
    }
  }
  for (const std::string& name : policy_names()) {
    const EvictionPolicy& policy = *find_policy(name);
    schema["policies"].push_back({{"name", name}, {"evicts", policy.evicts}, {"doc", std::string(policy.about)}});
  }
  for (const KvFormat f : kKvFormats) {
    schema["cache_types"].push_back({{"name", std::string(info(f).name)},
                                     {"value", static_cast<int>(f)},
                                     {"bits", info(f).bits},
                                     {"cold", is_quantised(f)}});
  }
  return text_of(schema);
}

std::string generate_settings_json(const GenerateOptions& options, const Sampler& sampler) {
  Json settings = Json::object();
  for (const auto& [name, value] : sampler.effective()) settings[name] = number(value);
  Json bias = Json::array();
  for (const LogitBias& b : options.sampler.logit_bias) bias.push_back({{"token", b.token}, {"bias", number(b.bias)}});
  return text_of({{"seed", sampler.seed()},
                  {"request", sampler.request()},
                  {"max_tokens", options.max_tokens},
                  {"logprobs", options.logprobs},
                  {"ignore_eos", options.ignore_eos},
                  {"render_special", options.render_special},
                  {"stop", options.stop},
                  {"logit_bias", bias},
                  {"settings", settings}});
}

}  // namespace kedge::engine
