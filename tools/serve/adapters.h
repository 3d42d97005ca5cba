// LoRA adapters and control vectors of the configuration: [[adapters]]. Their number there is how requests name them.
#pragma once

#include <string>

#include "kedge/kedge.hpp"

namespace kedge::tools::serve {

struct AdapterEntry {
  std::string name;  // empty: the file's
  std::string path;
  std::string model;  // alias or name of the one it is for; empty: of each
  double scale = 1;   // of requests that do not say; 0: only where a request asks for it

  bool operator==(const AdapterEntry&) const = default;
};

// One that a model has read.
struct ServedAdapter {
  int id = 0;
  std::string name;
  double scale = 1;
  kedge::Adapter adapter;
};

}  // namespace kedge::tools::serve
