#include "tools/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace kedge::tools {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({changed, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

std::string nearest_name(std::string_view name, std::span<const std::string> names) {
  constexpr size_t kMost = 2;
  std::string nearest;
  size_t least = std::min(kMost + 1, name.size());
  for (const std::string& known : names) {
    if (const size_t distance = edit_distance(name, known); distance < least) {
      least = distance;
      nearest = known;
    }
  }
  return nearest;
}

std::string perhaps(std::string_view name, std::span<const std::string> names) {
  const std::string nearest = nearest_name(name, names);
  return nearest.empty() ? "" : "; perhaps '" + nearest + "' is meant";
}

}  // namespace kedge::tools
