// Arithmetic that a question asks for, computed exactly.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/rational.h"

namespace kedge::router {

struct ArithmeticQuestion {
  Rational result = Rational::whole(0);
  std::vector<Rational> operands;
  std::string steps;     // "3 * 4 = 12; 2 + 12 = 14"
  bool percent = false;  // the result is in percent
};

// Questions that are one expression and nothing else, courtesies around it aside: "What is 6 + 5?", "12 * (3 - 1) =",
// "Subtract 4 from 10.", "the sum of 2, 3 and 4", "a dozen minus three". Everything that may mean something else gives
// nothing: dates, scores, ranges and telephone numbers (1914-1918, 9/11, 3-2), 1.000 and 2,5, "5!" at the end of a
// sentence, words whose order of operations is not said ("two plus three times four").
std::optional<ArithmeticQuestion> parse_arithmetic(std::string_view question);

// The prompt of a verifier: "Question: ...\nProposed answer: ...\nIs the answer correct?"
struct VerifierPrompt {
  std::string_view question;
  std::string_view proposed;
};
std::optional<VerifierPrompt> parse_verifier_prompt(std::string_view text);

}  // namespace kedge::router
