// Numbers of tokens and pages.
#pragma once

#include <cstddef>

#include "kernels/kv_page.h"

namespace kedge::memory {

constexpr size_t to_size(int x) { return static_cast<size_t>(x); }

// Pages that so many tokens of one table take.
constexpr size_t pages_of(int tokens) { return (to_size(tokens) + kPageTokens - 1) / kPageTokens; }

}  // namespace kedge::memory
