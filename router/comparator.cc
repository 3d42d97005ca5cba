#include "router/comparator.h"

#include "kernels/base/names.h"

namespace kedge::router {

namespace comparators {
#define KEDGE_ENTRY(name) extern constinit const ComparatorDef name;
#include "registry/comparators.inc"
#undef KEDGE_ENTRY
}  // namespace comparators

namespace {

constexpr const ComparatorDef* kAll[] = {
#define KEDGE_ENTRY(name) &comparators::name,
#include "registry/comparators.inc"
#undef KEDGE_ENTRY
};

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kFail:
      return "fail";
    case Verdict::kNotApplicable:
      return "not_applicable";
  }
  return "unknown";
}

std::span<const ComparatorDef* const> all_comparators() { return kAll; }

const ComparatorDef* find_comparator(std::string_view name) {
  for (const ComparatorDef* c : kAll) {
    if (same_name(name, c->name)) return c;
  }
  return nullptr;
}

Result<std::vector<CheckResult>> check_answer(const CheckInput& input) {
  std::vector<CheckResult> results;
  for (const ComparatorDef* c : kAll) {
    KEDGE_ASSIGN(result, c->check(input));
    if (result.verdict != Verdict::kNotApplicable) results.push_back(std::move(result));
  }
  return results;
}

}  // namespace kedge::router
