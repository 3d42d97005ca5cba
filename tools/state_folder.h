// The user's own folders: what a command has to know the next time is in $XDG_STATE_HOME/kedge, else
// ~/.local/state/kedge; what the user sets in $XDG_CONFIG_HOME/kedge, else ~/.config/kedge.
#pragma once

#include <string>
#include <string_view>

namespace kedge::tools {

// Empty when there is no home folder.
std::string state_folder();
std::string config_folder();
// For its owner alone (0600), complete or not at all, in a folder (0700) that is made. False: errno says why.
bool write_private(const std::string& path, std::string_view text);
// A line more; false: errno says why.
bool append_private(const std::string& path, std::string_view text);

}  // namespace kedge::tools
