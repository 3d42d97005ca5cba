// Chats and texts as Ollama's clients read them: a JSON object a line, the last with "done": true.
#pragma once

#include <memory>
#include <string>

#include "tools/serve/http/http.h"
#include "tools/serve/job.h"

namespace kedge::tools::serve {

// `chat`: of /api/chat, which says "message" where /api/generate says "response".
std::unique_ptr<Sink> ollama_sink(bool chat, bool stream, std::string model, std::shared_ptr<HttpReply> reply);

// "fast" of "fast:latest".
std::string without_tag(std::string model);

// "2026-11-30T04:50:42.123456789Z", now.
std::string rfc3339_now();
// The same of a time in seconds since 1970.
std::string rfc3339(int64_t seconds);

}  // namespace kedge::tools::serve
