// The name that was meant.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::tools {

// Characters to change, add or take away.
size_t edit_distance(std::string_view a, std::string_view b);
// Of these the one that is at most two away, and nearer than it is long; empty: none is.
std::string nearest_name(std::string_view name, std::span<const std::string> names);
// "; perhaps 'x' is meant", or nothing.
std::string perhaps(std::string_view name, std::span<const std::string> names);

}  // namespace kedge::tools
