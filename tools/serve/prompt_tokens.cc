#include "tools/serve/prompt_tokens.h"

#include <algorithm>

namespace kedge::tools::serve {

Json chat_options(const Prompt& prompt) {
  Json options = prompt.chat_options.is_null() ? Json::object() : prompt.chat_options;
  if (!options.contains("add_generation_prompt")) options["add_generation_prompt"] = true;
  return options;
}

Answer<PromptTokens> prompt_tokens(const Prompt& prompt, const kedge::Model& model) {
  PromptTokens tokens;
  if (!prompt.tokens.empty()) {
    const int n_vocab = model.info().n_vocab;
    const auto bad = std::ranges::find_if(prompt.tokens, [&](int32_t t) { return t < 0 || t >= n_vocab; });
    if (bad != prompt.tokens.end()) {
      return bad_request("token " + std::to_string(*bad) + " is not in the vocabulary of " + std::to_string(n_vocab),
                         "prompt");
    }
    tokens.ids = prompt.tokens;
  } else if (prompt.messages.is_null()) {
    auto ids = model.tokenize(prompt.text, true, false);
    if (!ids.ok()) return library_error(ids.error());
    tokens.ids = *std::move(ids);
  } else {
    auto marked = model.chat_tokenize_marked(prompt.messages.dump(), chat_options(prompt).dump());
    if (!marked.ok()) return library_error(marked.error());
    tokens = {std::move(marked->tokens), std::move(marked->segments)};
  }
  if (tokens.ids.empty()) return bad_request("the prompt is empty");
  return tokens;
}

}  // namespace kedge::tools::serve
