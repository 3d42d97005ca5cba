// An answer as JSON: what the caller gets, and what goes into the audit log. Names are those of OpenTelemetry's
// generative-AI conventions (1.37, in development) where there is one, and begin with kedge otherwise; docs/router.md.
#pragma once

#include <string>
#include <vector>

#include "router/audit/audit_log.h"
#include "router/route.h"

namespace kedge::router {

// The answer for the caller. A withheld draft is not in it, neither as text nor as tokens, checks or citations.
Json response_json(const AskRequest& request, const RouteResult& result);

struct Record {
  Json json;
  std::vector<AuditArtifact> artifacts;  // the request, the answer or the draft, the passages
};
// Everything that replay and an auditor need. `policy`: RouterConfig::sha256.
Record make_record(const AskRequest& request, const RouteResult& result, const std::string& policy);

// Of a change of the configuration: what was asked for, and the configuration as it is now.
Record make_change_record(const Json& change, const RouterConfig& before, const RouterConfig& after);

// One attempt, with its features by name.
Json attempt_json(const Attempt& attempt);

// SHA-256 of token ids as little-endian 32-bit numbers: "sha256:...".
std::string tokens_hash(std::span<const int32_t> tokens);
std::string text_hash(std::string_view text);

}  // namespace kedge::router
