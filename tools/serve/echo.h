// Tokens as clients see them: their pieces and log-probabilities; and a prompt said back with them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tools/serve/job.h"

namespace kedge::tools::serve {

// `top`: the token chosen, then the likeliest.
TokenInfo token_info(const kedge::Model& model, std::span<const kedge_logprob> top);

struct Echo {
  std::string text;
  std::vector<TokenInfo> tokens;  // empty when not asked for; the first token has no log-probability: NaN
};
// Reads the prompt into the session, which holds it afterwards. `logprobs`: as of kedge_generate_options.
Answer<Echo> echo_prompt(const kedge::Model& model, kedge::Session& session, std::span<const int32_t> prompt,
                         int logprobs);

}  // namespace kedge::tools::serve
