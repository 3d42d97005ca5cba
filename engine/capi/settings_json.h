// What can be set, as JSON: the schema that flags and documentation are made from.
#pragma once

#include <string>

#include "kernels/base/rooms.h"

namespace kedge::engine {

// {"order": [sampler, ...], "settings": [{"name", "sampler", "type", "default", "min", "max", "off", "doc"}, ...],
//  "policies": [{"name", "evicts", "doc"}, ...], "cache_types": [{"name", "value", "bits", "cold"}, ...]}
std::string settings_schema_json();

}  // namespace kedge::engine
