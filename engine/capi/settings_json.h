// What can be set, as JSON: the schema that flags and documentation are made from; and what a run really used.
#pragma once

#include <string>

#include "kernels/base/rooms.h"

namespace kedge::engine {

class Sampler;
struct GenerateOptions;

// {"order": [sampler, ...], "settings": [{"name", "sampler", "type", "default", "min", "max", "off", "doc"}, ...],
//  "policies": [{"name", "evicts", "doc"}, ...], "cache_types": [{"name", "value", "bits", "cold"}, ...]}
std::string settings_schema_json();

// {"seed", "request", "max_tokens", "logprobs", "ignore_eos", "render_special", "stop", "logit_bias", "settings":
// {...}}
std::string generate_settings_json(const GenerateOptions& options, const Sampler& sampler);

}  // namespace kedge::engine
