#include "tools/presets.h"

namespace kedge::tools {

std::span<const Preset> own_presets() {
  static const Preset presets[] = {
      {"precise", "the likeliest answer, the same at every call", "temperature = 0\n"},
      {"creative", "variety: all that is not far less likely than the likeliest token",
       "temperature = 1.1\ntop-k = 0\ntop-p = 1\nmin-p = 0.05\n"},
      {"code", "few surprises", "temperature = 0.2\ntop-p = 0.95\n"},
  };
  return presets;
}

}  // namespace kedge::tools
