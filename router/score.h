// From a generation to the chance that it is right: checks, citations, features, the calibrated probability.
#pragma once

#include <span>
#include <string_view>

#include "router/attempt.h"

namespace kedge::router {

// What features see of an attempt; borrows from it and from `stats`.
AnswerTrace trace_of(const Attempt& attempt, std::span<const TokenStats> stats, std::string_view question);

// Fills in checks, citations, features and, where there is a calibrator that knows such questions, p and
// p_deep. An answer that was given up has features only. `input` is what the checks get. Errors: those of check_answer.
Status score(Attempt& attempt, std::span<const TokenStats> stats, const CheckInput& input);

// Whether the answer could still reach its threshold if the model were certain of everything it has yet to say.
// `attempt` has a calibrator and a threshold.
bool is_hopeful(const Attempt& attempt, std::span<const TokenStats> stats, std::string_view question);

}  // namespace kedge::router
