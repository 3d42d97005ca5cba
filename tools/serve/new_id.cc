#include "tools/serve/new_id.h"

#include <sys/random.h>

#include <array>

namespace kedge::tools::serve {

std::string new_id(std::string_view prefix) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
  std::array<unsigned char, 24> bytes{};
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t n = getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (n > 0) have += static_cast<size_t>(n);
  }
  std::string id(prefix);
  for (const unsigned char b : bytes) id += kDigits[b % 62];
  return id;
}

}  // namespace kedge::tools::serve
