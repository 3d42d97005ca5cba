// A prompt as the model reads it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/serve/job.h"

namespace kedge::tools::serve {

struct PromptTokens {
  std::vector<int32_t> ids;
  std::string segments;  // where the messages went, JSON for kedge_session_add_segments; empty: of no chat
};

// Errors: 400, naming what is wrong.
Answer<PromptTokens> prompt_tokens(const Prompt& prompt, const kedge::Model& model);
// What the template is given: the prompt's, with the opening of the answer's turn unless it says otherwise.
Json chat_options(const Prompt& prompt);

}  // namespace kedge::tools::serve
