// Products of rows with a weight, as the engine's parts ask for them.
#pragma once

#include "engine/loader.h"

namespace kedge::engine {

// One product of a group that shares its input: y[n][w.rows] = x * w^T (+ bias).
struct Product {
  const Weight& w;
  float* y;
  const float* bias = nullptr;
};

inline constexpr size_t kMostProducts = 4;  // of a group

}  // namespace kedge::engine
