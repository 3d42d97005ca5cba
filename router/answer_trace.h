// What the logits said while an answer was written: per token, from raw logits (before temperature and any sampler).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel_table.h"
#include "router/question_trace.h"

namespace kedge::router {

struct Evidence;

struct TokenStats {
  int32_t token = -1;
  double logprob = 0;   // natural log of the token's probability, <= 0
  double margin = 0;    // best logit minus the second best, >= 0
  double entropy = 0;   // of the whole distribution, in nats
  double top_mass = 0;  // probability of the kTopMass most likely tokens together
};
inline constexpr size_t kTopMass = 10;

// One answer as features see it. Views are borrowed.
struct AnswerTrace {
  std::span<const TokenStats> tokens;  // of the answer, the end token included
  size_t n_value = 0;  // tokens of the answer proper: before a special token such as <|ref|>, at least 1 if any
  std::span<const QuestionToken> question_tokens;  // the first of the question, and the one after it
  std::string_view question;                       // the last user message
  std::string_view answer;                         // the text, special tokens written out
  size_t n_prompt = 0;                             // tokens
  size_t n_evidence = 0;                           // passages in the prompt
  const Evidence* evidence = nullptr;              // they; null where they are not looked at
  size_t checks_passed = 0;                        // comparators
  size_t checks_failed = 0;
};

// Collects TokenStats and a hash of the logits while a model generates. One thread; no allocation per token once warm.
class TraceCollector {
 public:
  explicit TraceCollector(const KernelTable& kernels) : kernels_(kernels) {}

  void clear();
  // The raw logits that `token` was chosen from, n_vocab of them.
  void add(std::span<const float> logits, int32_t token);

  std::span<const TokenStats> tokens() const { return tokens_; }
  // "xxh3-128:" and 32 hex digits: over all logits in order. Equal bits, equal hash; for comparing, not for secrecy.
  std::string logits_hash() const;

 private:
  const KernelTable& kernels_;
  std::vector<float> probabilities_;
  std::vector<TokenStats> tokens_;
  std::vector<uint64_t> row_hashes_;
};

}  // namespace kedge::router
