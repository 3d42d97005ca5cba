// The C interface: the library itself, errors and memory.
#include "engine/capi/handles.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>

#include "engine/capi/settings_json.h"
#include "engine/system_info.h"
#include "kernels/base/log.h"
#include "registry/build.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

extern "C" {

const char* kedge_version(void) { return KEDGE_VERSION; }
int kedge_abi_version(void) { return KEDGE_ABI_VERSION; }

kedge_status kedge_build_info(char** json, size_t* json_size) {
  return text_out(json, json_size, [] {
    Json isas = Json::array();
    std::istringstream names(KEDGE_BUILD_ISAS);
    for (std::string name; std::getline(names, name, ',');) isas.push_back(name);
    return Json{{"version", KEDGE_VERSION},
                {"abi", KEDGE_ABI_VERSION},
                {"commit", KEDGE_BUILD_COMMIT},
                {"compiler", KEDGE_BUILD_COMPILER},
                {"isas", std::move(isas)}}
        .dump();
  });
}

void kedge_set_log(kedge_log_fn log, void* user, int most) {
  set_log(log, user, static_cast<LogLevel>(std::clamp(most, 1, 4)));
}

const char* kedge_status_name(kedge_status s) {
  switch (s) {
    case KEDGE_OK:
      return "ok";
    case KEDGE_INVALID_ARGUMENT:
      return "invalid_argument";
    case KEDGE_NOT_FOUND:
      return "not_found";
    case KEDGE_CORRUPT:
      return "corrupt";
    case KEDGE_UNSUPPORTED:
      return "unsupported";
    case KEDGE_CAPACITY:
      return "capacity";
    case KEDGE_IO:
      return "io";
    case KEDGE_CANCELLED:
      return "cancelled";
    case KEDGE_INTERNAL:
      return "internal";
  }
  return "unknown";
}

const char* kedge_last_error(void) { return last_error(); }
void kedge_free(void* owned) { std::free(owned); }

kedge_status kedge_cancel_create(kedge_cancel** cancel) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(cancel, "cancel"));
    *cancel = nullptr;
    *cancel = new kedge_cancel();
    return {};
  });
}
void kedge_cancel_set(kedge_cancel* cancel, int on) {
  if (cancel != nullptr) cancel->on.store(on != 0, std::memory_order_relaxed);
}
void kedge_cancel_free(kedge_cancel* cancel) { delete cancel; }

int kedge_default_threads(void) {
  int n = 1;
  (void)guard([&]() -> Status {
    n = default_threads();
    return {};
  });
  return n;
}

kedge_status kedge_system_info(char** json, size_t* json_size) {
  return text_out(json, json_size, [] { return system_info_json(system_info()); });
}

kedge_status kedge_settings_schema(char** json, size_t* json_size) {
  return text_out(json, json_size, [] { return settings_schema_json(); });
}

}  // extern "C"
