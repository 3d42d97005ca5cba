// What a model thinks of the question itself: the log-probability of its tokens, as they are read, told apart by what
// they are. Wording is what questions of one kind share; names and numbers are what differs between them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/kernel_table.h"
#include "tokenizer/tokenizer.h"

namespace kedge::router {

enum class TokenPart : uint8_t {
  kWording,  // of words that begin small, of characters without case, of punctuation
  kOpening,  // of the first word, when it begins with a capital
  kName,     // of other words that begin with a capital
  kNumber,   // of words with a digit
  kText,     // behind a colon or a question mark: what the question brings along
  kEnd,      // the token after the question: whether it was to end here
};

struct QuestionToken {
  TokenPart part = TokenPart::kWording;
  double logprob = 0;
};

// At most so many tokens are looked at, the first ones: each costs a row of logits.
inline constexpr size_t kQuestionTokens = 96;

// The tokens of a question told apart; `ids` spell it.
std::vector<TokenPart> question_parts(const Tokenizer& tokenizer, std::span<const int32_t> ids);

// Natural logarithm of a token's probability under raw logits. `scratch` is of any size.
double token_logprob(const KernelTable& kernels, std::span<const float> logits, int32_t token,
                     std::vector<float>& scratch);

}  // namespace kedge::router
