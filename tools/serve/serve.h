// `kedge serve`, from its settings to its end.
#pragma once

#include "tools/serve/settings.h"

namespace kedge::tools::serve {

// Serves until SIGTERM or SIGINT, which drain; SIGHUP reads `sources` again. Throws tools::Failure when it cannot
// begin.
void serve(const Settings& settings, const SettingSources& sources);

}  // namespace kedge::tools::serve
