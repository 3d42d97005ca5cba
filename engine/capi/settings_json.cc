#include "engine/capi/settings_json.h"

#include <cmath>

#include "engine/answer_json.h"
#include "engine/sampler.h"
#include "kernels/base/json.h"
#include "kernels/kv_format.h"
#include "memory/eviction/policy.h"

namespace kedge::engine {

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
                                    {"default", setting_json(s.initial)},
                                    {"min", setting_json(s.min)},
                                    {"max", setting_json(s.max)},
                                    {"off", std::isnan(s.off) ? Json() : setting_json(s.off)},
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
  return schema.dump();
}

}  // namespace kedge::engine
