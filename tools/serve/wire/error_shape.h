// Errors as the clients of each API read them.
#pragma once

#include <string_view>

#include "tools/serve/error.h"
#include "tools/serve/http/http.h"

namespace kedge::tools::serve {

enum class ErrorShape { kOpenAi, kAnthropic, kOllama };

// Of the API a path belongs to.
ErrorShape error_shape(std::string_view path);
Json error_json(ErrorShape shape, const ApiError& error, std::string_view request_id = {});
// The status that this API has for it: Anthropic's is 529 when all places are taken.
int error_status(ErrorShape shape, const ApiError& error);
HttpAnswer error_answer(ErrorShape shape, const ApiError& error, std::string_view request_id = {});
// A whole reply, with the headers that tell clients whether to try again.
void send_error(HttpReply& reply, ErrorShape shape, const ApiError& error, std::string_view request_id = {});

}  // namespace kedge::tools::serve
