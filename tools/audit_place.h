// Where the record of answers is when nobody says: $XDG_STATE_HOME/kedge/audit.db, else ~/.local/state/kedge/audit.db.
#pragma once

#include <string>

namespace kedge::tools {

inline constexpr const char* kAuditPlace = "kedge/audit.db in $XDG_STATE_HOME or ~/.local/state";

// `given` as it is, else the default; a Failure when there is none to look at.
std::string audit_log_to_read(const std::string& given);
// The default; its folder is made for its owner alone. A Failure that names --audit and --no-audit when it cannot be.
std::string audit_log_to_write();

}  // namespace kedge::tools
