// Settings that go together, by a name: --preset.
#pragma once

#include <span>
#include <string>

namespace kedge::tools {

struct Preset {
  std::string name;
  std::string help;
  std::string settings;  // as a file of settings has them
};

// Those that come with the command; the file of settings may have others.
std::span<const Preset> own_presets();

}  // namespace kedge::tools
