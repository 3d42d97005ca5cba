// A request as the tokens of one model, with or without passages to answer from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/marked_chat.h"
#include "engine/model.h"
#include "memory/anchor_index.h"
#include "router/ask_request.h"

namespace kedge::router {

// The version of how prompts are written, kept in records: another wording is another number.
inline constexpr int kPromptVersion = 1;

struct Prompt {
  std::vector<int32_t> tokens;
  TokenRange question;            // the last message's, without passages; empty where it cannot be told
  std::vector<Segment> segments;  // the passages: pinned softly, their ids are anchors that the answer points back to
};

// Passages stand before the question in the last user message, each behind the model's <|doc|> token where it has one,
// and the system message asks for an answer from them with a citation. Text of passages and messages never becomes a
// control token. Errors: those of the chat template and the tokenizer; kUnsupported when the template changes a
// message's content so that the passages cannot be found in it.
Result<Prompt> build_prompt(const Model& model, const AskRequest& request, std::span<const Evidence> evidence);

// The question whether the sources support an answer, for the verifier model; "yes" or "no" is what it is to say.
Result<Prompt> build_verifier_prompt(const Model& model, const AskRequest& request, std::span<const Evidence> evidence,
                                     std::string_view proposed);

}  // namespace kedge::router
