// What an answer has to obey, in the terms of one model, and what its text turns out to say.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat_format.h"
#include "engine/grammar/constraint.h"
#include "engine/model.h"
#include "router/ask_request.h"

namespace kedge::router {

struct AnswerForm {
  std::shared_ptr<const grammar::Constraint> constraint;  // null: free
  // Why the schema is not in it, though the request has one: answers are only checked against it. Empty: it is.
  std::string unenforced = {};
  const ChatFormat* format = nullptr;  // null: the model's text is all content
  ChatReadOptions read = {};
};

// Of an answer to `prompt`. Errors: kUnsupported, tools that the model's template has no form for, or a part of them or
// of the constraint that cannot be enforced; kInvalidArgument.
Result<AnswerForm> answer_form(const Model& model, const AskRequest& request, std::span<const int32_t> prompt);

struct AnswerCall {
  std::string id;  // empty: the model gives none
  std::string name;
  std::string arguments;  // JSON of an object
};
Json calls_json(std::span<const AnswerCall> calls);  // [{"id", "name", "arguments"}]

struct AnswerParts {
  std::string content;
  std::string reasoning;
  std::vector<AnswerCall> calls;
  std::string broken;  // what is wrong with the last call; empty: nothing
};
AnswerParts read_answer(const AnswerForm& form, std::string_view text);

}  // namespace kedge::router
