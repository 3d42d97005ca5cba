// The page layouts the tests go through.
#pragma once

#include <string>
#include <vector>

#include "kernels/kv_page.h"

namespace kedge::kernels {

inline std::string name_of(const KvLayout& l) {
  return std::string(info(l.format).name) + "_" + std::to_string(l.head_dim_k) + "_" + std::to_string(l.head_dim_v) +
         (l.v_in_k ? "_latent" : "");
}

inline std::vector<KvLayout> kv_shapes() {
  std::vector<KvLayout> r;
  for (const KvFormat f : kKvFormats) {
    for (const int d : {1, 2, 3, 16, 24, 64, 80, 96, 128, 200, 256}) {
      if (!is_quantised(f) || d % 32 == 0) r.push_back({f, d, d});
    }
    r.push_back({f, 96, 64});
    r.push_back({f, 32, 512});
    r.push_back({f, 96, 64, true});
    r.push_back({f, 576, 512, true});
  }
  r.push_back({KvFormat::kF16, 48, 40});
  r.push_back({KvFormat::kF16, 40, 23, true});
  r.push_back({KvFormat::kF32, 19, 19, true});
  return r;
}

}  // namespace kedge::kernels
