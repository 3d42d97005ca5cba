// A new audit log: key, database and anchor.
#pragma once

#include <string>

#include "kernels/base/result.h"
#include "router/audit/audit_log.h"
#include "router/sqlite.h"

namespace kedge::router::audit {

// Opens the database for writing. Where options.create allows it, a missing file is made and an empty one becomes a
// log; two processes at once make one log.
Result<sqlite::Database> open_or_create(const std::string& path, const AuditOptions& options);

}  // namespace kedge::router::audit
