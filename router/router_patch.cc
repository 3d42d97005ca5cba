#include "router/router_patch.h"

#include "kernels/base/json_object.h"

namespace kedge::router {

Result<RouterPatch> parse_router_patch(std::string_view text) {
  KEDGE_ASSIGN(o, JsonObject::parse(text, "change"));
  RouterPatch patch;
  if (const Json* policy = o.find("policy")) {
    if (!policy->is_object()) return o.wrong("policy", "is not an object");
    patch.policy = *policy;
  }
  if (const Json* breakers = o.find("breakers")) {
    if (!breakers->is_object()) return o.wrong("breakers", "is not an object");
    for (const auto& [name, state] : breakers->items()) {
      if (state != "open" && state != "closed") {
        return Error{ErrorCode::kInvalidArgument,
                     "change.breakers." + name + " = " + state.dump() + " is neither \"open\" nor \"closed\""};
      }
      patch.breakers[name] = state == "open";
    }
  }
  KEDGE_TRY(o.text("by", patch.by));
  KEDGE_TRY(o.finish());
  if (patch.policy.is_null() && patch.breakers.empty()) {
    return o.wrong("policy", "and breakers: at least one of them has to be given");
  }
  KEDGE_ASSIGN(json, parse_json(text, "change"));
  patch.json = std::move(json);
  return patch;
}

}  // namespace kedge::router
