// Work that several threads share: calls that wait for something, an engine say. Arithmetic has its ThreadTeam.
#pragma once

#include <cstddef>
#include <functional>

#include "kernels/base/rooms.h"

namespace kedge::base {

// Calls work(i) for every i below `n`, on `jobs` threads (the caller's and new ones) that take one after another, in
// this order. What one of them throws ends it: nothing more is begun, and the first such exception goes on to the
// caller; so does std::system_error when there are no threads to be had.
void at_once(size_t jobs, size_t n, const std::function<void(size_t i)>& work);

}  // namespace kedge::base
