// What a memory is made as. Its forks are made as the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "kernels/base/result.h"
#include "kernels/kernel_table.h"
#include "kernels/kv_page.h"
#include "memory/eviction/policy.h"
#include "memory/kv_options.h"
#include "memory/kv_shape.h"

namespace kedge::memory {

struct KvSetup {
  KvShape shape;
  KvOptions options;  // with what was automatic filled in
  const EvictionPolicy* policy = nullptr;
  const KernelTable* kernels = nullptr;
  int budget = 0;  // tokens of a table

  // Errors: kInvalidArgument (an option outside its range, an unknown policy).
  static Result<std::shared_ptr<const KvSetup>> make(const KvShape& shape, const KvOptions& options,
                                                     const KernelTable& kernels);

  int n_tables() const { return shape.n_tables(); }      // that something may leave
  bool bounded() const { return budget < shape.n_ctx; }  // something may have to leave
  bool has_cold() const { return bounded() && options.cold != KvOptions::Cold::kOff; }
  bool probes() const { return has_cold() && options.recall_threshold > 0; }
  bool per_table() const { return policy->per_table && !has_cold(); }
  bool counts_attention() const { return bounded() && policy->observe.rows > 0; }
  bool detects() const { return bounded() && options.anchor_detect && policy->uses_metadata; }
  int quantum() const { return eviction_quantum(budget); }
  // The first token whose attention goes into the scores, while nothing has left.
  int first_counted() const { return bounded() ? std::max(budget - policy->observe.rows, 0) : shape.n_ctx; }
  // Of what the options decide of which tokens stay.
  uint64_t hash() const;
};

}  // namespace kedge::memory
