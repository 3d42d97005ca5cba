// What a Generation is made of: the loop of choosing a token, giving out its text, and seeing what has to be evaluated
// before the next one.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/answer_filter.h"
#include "engine/generate.h"
#include "engine/guess/speculation.h"
#include "engine/sampler.h"
#include "engine/stop_matcher.h"
#include "tokenizer/utf8_stream.h"

namespace kedge::engine {

class Generation::Run {
 public:
  // What a run needs beside its options.
  struct Parts {
    Sampler sampler;
    StopMatcher stops;
    AnswerFilter filter;
    Speculation speculation;
  };
  Run(GenerationSource& source, std::span<const int32_t> prompt, const GenerateOptions& options,
      const GenerateCallbacks& callbacks, Parts parts);

  bool over() const { return over_; }
  std::span<const int32_t> wanted() const { return wanted_; }
  std::span<const int32_t> guesses() const { return guesses_; }
  Status advance(Status evaluated);
  GenerateResult result() { return std::move(result_); }

 private:
  using Clock = std::chrono::steady_clock;
  using Reason = std::optional<FinishReason>;

  Status begin_text();
  // Chooses tokens as long as they need no evaluation; the reason to end, if there is one.
  Result<Reason> choose();
  // The reason to end that does not lie in the token chosen last.
  Reason ended() const;
  Reason stopped() const;  // from outside
  // The token chosen last has been evaluated, or the next one needs no logits.
  bool goes_on();
  bool looks_at_logits() const { return options_.logprobs >= 0 || options_.every_logits; }  // of every token
  void want();
  // Chooses a token and gives out its text.
  Result<Reason> step();
  Result<int32_t> next_token();
  std::span<const TokenLogprob> add_logprobs(int32_t token);
  bool emit_characters();  // true when a stop string is complete
  void emit();
  void finish(FinishReason reason);
  void end(FinishReason reason);

  bool at_limit() const { return static_cast<int>(result_.tokens.size()) == options_.max_tokens; }
  size_t position() const { return source_.tokens().size() + unread_.size(); }  // of the next token
  size_t left() const;                                                          // tokens that may still be chosen

  GenerationSource& source_;
  const GenerateOptions& options_;
  const GenerateCallbacks& callbacks_;
  Sampler sampler_;
  StopMatcher stops_;
  AnswerFilter filter_;
  Speculation speculation_;
  Utf8Stream utf8_{InvalidUtf8::kReplace};
  std::span<const int32_t> wanted_;
  std::span<const int32_t> guesses_;
  std::vector<int32_t> unread_;  // chosen and not evaluated yet
  size_t before_;                // tokens of the session
  GenerateResult result_;
  Clock::time_point begun_;
  Clock::time_point start_{};           // of decoding
  std::optional<FinishReason> ending_;  // as soon as what is left to read is evaluated
  bool forced_ahead_ = false;           // the guesses are tokens that have to come
  bool over_ = false;
  bool callback_cancelled_ = false;
  std::string bytes_;       // of a token
  std::string characters_;  // whole ones
  std::string certain_;     // not part of a stop string
};

}  // namespace kedge::engine
