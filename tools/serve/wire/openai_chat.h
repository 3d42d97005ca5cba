// Chat completions as OpenAI's clients read them.
#pragma once

#include "tools/serve/wire/openai_sink.h"

namespace kedge::tools::serve {

std::unique_ptr<Sink> openai_chat_sink(const OpenAiForm& form, bool stream, std::shared_ptr<HttpReply> reply);

}  // namespace kedge::tools::serve
