#include "kernels/base/byte_size.h"

#include <charconv>
#include <system_error>

namespace kedge::base {

double byte_size(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return -1;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  constexpr struct {
    std::string_view name;
    double factor;
  } kUnits[] = {{"", 1},          {"B", 1},         {"KB", 1e3},   {"MB", 1e6},    {"GB", 1e9},   {"KiB", 1024.0},
                {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"K", 1024.0}, {"M", 1 << 20}, {"G", 1 << 30}};
  for (const auto& u : kUnits) {
    if (u.name == unit) return number * u.factor;
  }
  return -1;
}

}  // namespace kedge::base
