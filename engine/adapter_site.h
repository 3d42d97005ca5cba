// The places of a network that adapters can be added to: every matrix that the loader hands out has a number, and what
// an adapter has for it is found under that number.
#pragma once

#include <string>

#include "kernels/base/rooms.h"

namespace kedge::engine {

inline constexpr int kNoSite = -1;

struct AdapterSite {
  enum class Kind {
    kProduct,  // rows [first_row, first_row + rows) of a tensor [all_rows][k] that inputs are multiplied by
    kExperts,  // the same of every expert's matrix
    kTable,    // all rows of a table that tokens are looked up in
  };
  std::string tensor;
  Kind kind = Kind::kProduct;
  int first_row = 0;
  int rows = 0;
  int all_rows = 0;
  int k = 0;
  int n_experts = 1;
};

}  // namespace kedge::engine
