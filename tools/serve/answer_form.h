// A job's form in the terms of one model: the constraint of its generation, and how its text is read.
#pragma once

#include <span>
#include <string>

#include "tools/serve/job.h"

namespace kedge::tools::serve {

struct AnswerForm {
  std::string constraint;  // kedge::GenerateOptions::constraint
  std::string reader;      // options of kedge::ChatReader; empty: text is all there is
};

// `prompt`: the tokens that the answer follows. The constraint is compiled here, before anything is said. Errors: 400,
// what the model or the engine cannot keep to, with its place in the request.
Answer<AnswerForm> answer_form(const Job& job, const Prompt& from, const kedge::Model& model,
                               std::span<const int32_t> prompt);

// Of a constraint that the library refused: its place is said as the request has it.
ApiError constraint_error(const kedge::Error& error, const Form& form);

}  // namespace kedge::tools::serve
