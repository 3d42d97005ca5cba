// One question on its way: ADMIT, PREROUTE, GENERATE, SCORE, VERIFY, then COMMIT or another try, until it is answered,
// withheld or failed. What happens next is decided by the rules (rule.h); this does it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "kernels/base/json.h"
#include "router/citation.h"
#include "router/pool.h"
#include "router/retrieval/retrieval_index.h"
#include "router/rule.h"

namespace kedge::router {

// What a route works with; all borrowed.
struct RouteTools {
  Pool* pool;
  const RouterConfig* config;
  std::function<Result<std::shared_ptr<const RetrievalIndex>>(const std::string& path)> open_index;
  std::function<void(const Json& event)> on_event;  // may be empty
  const std::atomic<bool>* cancel = nullptr;
};

enum class Outcome { kAnswered, kNotFound, kLowConfidence, kFailed };
const char* outcome_name(Outcome outcome);  // "answered", "not_found", "low_confidence", "failed"

struct RouteStep {    // of the state machine, for --explain and the record
  std::string state;  // "admit", "preroute", "generate", ...
  std::string rule;   // that decided; empty: none was asked
  std::string detail;
  std::string draft = {};  // the text of an attempt: not shown while nobody knows whether it is withheld
};

struct RouteResult {
  Outcome outcome = Outcome::kFailed;
  int chosen = -1;        // the attempt whose text is the answer, or the draft that is withheld
  bool withheld = false;  // there is an answer, but too weak to give
  std::string reason;
  std::string task;
  std::optional<Derived> derived;  // the answer, where the router worked it out itself: no model was asked
  std::vector<Attempt> attempts;
  std::vector<Evidence> evidence;
  std::string evidence_index;  // SHA-256 of the index they come from; empty: given, or none
  std::vector<ResolvedCitation> citations;
  std::vector<RouteStep> steps;
  std::optional<Neighbours> neighbours;  // the question's, where the pool knows past questions
  double cpu_s = 0;                      // of all models
  double wall_s = 0;
  double retrieval_s = 0;
  double overhead_s = 0;             // wall time that neither models (prompt, generation) nor retrieval took
  std::optional<ErrorCode> failure;  // of the attempt that failed last
};

// Errors: what makes the request impossible (an unknown model, a prompt too long, no index): kInvalidArgument,
// kNotFound, kCapacity, kUnsupported. A model's failure is an outcome.
Result<RouteResult> run_route(const AskRequest& request, const RouteTools& tools);

}  // namespace kedge::router
