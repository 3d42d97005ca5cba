// How well the memory's detector finds the references of recall.jsonl.
#pragma once

#include <vector>

#include "tools/eval/data.h"

namespace kedge::tools {

struct DetectorScore {
  // Of spans: one is found when a strong detection covers 90 % of its bytes and is not much longer. A strong detection
  // that touches no span is false.
  size_t n_spans = 0;
  size_t n_found = 0;
  size_t n_false = 0;
  // Of bytes.
  size_t data_bytes = 0;
  size_t detected_bytes = 0;
  size_t common_bytes = 0;

  void add(const RecallRow& row);
  Json json() const;
};

}  // namespace kedge::tools
