// Code that is compiled once per instruction set must leave no shared symbol behind: a copy built for AVX-512 could be
// the one the linker keeps for everybody. Functions used there are force-inlined.
#pragma once

#include "kernels/base/rooms.h"

#define KEDGE_INLINE inline __attribute__((always_inline))
