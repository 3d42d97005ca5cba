// Messages as Anthropic's clients read them.
#pragma once

#include <memory>

#include "tools/serve/http/http.h"
#include "tools/serve/job.h"

namespace kedge::tools::serve {

std::unique_ptr<Sink> anthropic_sink(bool stream, std::shared_ptr<HttpReply> reply, std::string request_id);

}  // namespace kedge::tools::serve
