// A file of settings as it is written: keys, values, lines. What they mean is settings.h's business.
#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

struct WrittenSetting {
  std::vector<std::string> key;    // "chat", "system"
  std::vector<std::string> words;  // of a list several
  std::string where;               // "/home/a/.config/kedge/kedge.toml:3"
  bool is_switch = false;          // true or false
};

// In the order of the lines. A Failure names `name` and the line.
std::vector<WrittenSetting> parse_settings(const std::string& text, const std::string& name);

}  // namespace kedge::tools
