#include "memory/kv_setup.h"

#include <string>
#include <utility>

#include "memory/checksum.h"

namespace kedge::memory {

namespace {

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, "KV memory: " + std::move(message)}; }

Status in_range(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return {};  // false for NaN
  return invalid(std::string(name) + " is " + std::to_string(value) + ", must be from " + std::to_string(low) + " to " +
                 std::to_string(high));
}

Status check(const KvOptions& o) {
  if (o.budget != 0 && o.budget < kMinBudget) {
    return invalid("a budget of " + std::to_string(o.budget) + " tokens is less than the smallest, " +
                   std::to_string(kMinBudget));
  }
  KEDGE_TRY(in_range("sinks", o.sinks, 0, 1 << 20));
  KEDGE_TRY(in_range("recent", o.recent, -1, 1 << 24));
  KEDGE_TRY(in_range("anchor_threshold", static_cast<double>(o.anchor_threshold), 0, 1));
  KEDGE_TRY(in_range("anchor_cap", static_cast<double>(o.anchor_cap), 0, 1));
  KEDGE_TRY(in_range("anchor_margin", o.anchor_margin, 0, 1024));
  KEDGE_TRY(in_range("recall_threshold", static_cast<double>(o.recall_threshold), 0, 1));
  KEDGE_TRY(in_range("forks", o.forks, 1, 1024));
  KEDGE_TRY(in_range("log", o.log, 0, 1 << 24));
  return {};
}

}  // namespace

Result<std::shared_ptr<const KvSetup>> KvSetup::make(const KvShape& shape, const KvOptions& options,
                                                     const KernelTable& kernels) {
  KEDGE_TRY(check(options));
  auto setup = std::make_shared<KvSetup>();
  setup->policy = find_policy(options.policy);
  if (setup->policy == nullptr) {
    std::string names;
    for (const std::string_view name : policy_names()) names += (names.empty() ? "" : ", ") + std::string(name);
    return invalid("unknown policy '" + options.policy + "'; known are " + names);
  }
  setup->shape = shape;
  setup->options = options;
  setup->kernels = &kernels;
  if (options.budget != 0 && options.budget < shape.n_ctx && shape.n_tables() == 0) {
    return invalid("a budget of " + std::to_string(options.budget) +
                   " tokens has nothing to act on: no layer of this model keeps all of the text (they recur, or see a "
                   "window of it), so what it takes does not grow with the context");
  }
  setup->budget = options.budget == 0 ? shape.n_ctx : std::min(options.budget, shape.n_ctx);
  if (options.recent < 0) setup->options.recent = default_recent(setup->budget);
  if (setup->has_cold() && options.cold == KvOptions::Cold::kFile && options.cold_path.empty()) {
    return invalid("the cold file has no path");
  }
  return std::shared_ptr<const KvSetup>(std::move(setup));
}

uint64_t KvSetup::hash() const {
  const KvOptions& o = options;
  const int32_t numbers[] = {static_cast<int32_t>(shape.layout.format),
                             shape.layout.head_dim_k,
                             shape.layout.head_dim_v,
                             shape.n_layers,
                             shape.n_kv_heads,
                             bounded() ? budget : -1,
                             o.sinks,
                             o.recent,
                             o.anchor_margin,
                             o.anchor_detect ? 1 : 0,
                             static_cast<int32_t>(o.cold),
                             o.cold_format ? static_cast<int32_t>(*o.cold_format) : -1};
  const float shares[] = {o.anchor_threshold, o.anchor_cap, o.recall_threshold};
  uint64_t h = checksum(numbers, sizeof numbers, o.seed);
  for (const KvLayer& l : shape.layers) h = checksum(&l, sizeof l, h);
  if (shape.state_floats > 0) h = checksum(&shape.state_floats, sizeof shape.state_floats, h);
  h = checksum(shares, sizeof shares, h);
  return checksum(o.policy.data(), o.policy.size(), h);
}

}  // namespace kedge::memory
