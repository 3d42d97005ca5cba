// What may be changed of a router while it runs.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::router {

struct RouterPatch {
  Json policy;                           // members to replace (null: the default), an object; null: none
  std::map<std::string, bool> breakers;  // by alias or name of a model: held open, or let go
  std::string by;                        // who changes it, for the record
  Json json;                             // all of it, as it came
};
// Members: see kedge_router_configure. The policy's are checked by parse_router_config. Errors: kInvalidArgument.
Result<RouterPatch> parse_router_patch(std::string_view json);

}  // namespace kedge::router
