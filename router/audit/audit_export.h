// A log as text that others can check. docs/audit.md has the formats; tools/verify_audit_export.py checks the first.
#pragma once

#include <string>

#include "kernels/base/result.h"
#include "router/audit/audit_log.h"

namespace kedge::router {

enum class AuditFormat { kJsonl, kInToto };

// The records behind number `after`, at most `limit` of them: for who fetches a log part by part.
struct AuditRange {
  int64_t after = 0;
  int64_t limit = 0;  // 0: all
};

// One JSON object per line, records in order, from one moment of the log. `with_artifacts` (kJsonl only) adds the
// contents, which are otherwise named by their addresses alone.
Result<std::string> export_audit_log(const std::string& path, AuditFormat format, bool with_artifacts, int timeout_ms,
                                     AuditRange range = {});

}  // namespace kedge::router
