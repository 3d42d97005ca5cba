// One try at an answer: a prompt, a generation with its measurements, and what was thought of it.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/generate.h"
#include "engine/marked_chat.h"
#include "router/answer_form.h"
#include "router/answer_trace.h"
#include "router/ask_request.h"
#include "router/citation.h"
#include "router/loaded_model.h"

namespace kedge::router {

struct Attempt {
  std::string purpose;  // "generate", "conservative", "sample", "ground", "escalate"
  std::string alias;    // as it was chosen: "fast", "deep", a name
  std::shared_ptr<LoadedModel> model;
  size_t n_evidence = 0;  // passages in the prompt: all of the route's, or 0
  double temperature = 0;
  uint64_t seed = 0;
  uint64_t request = 0;  // the sampler's stream: the number of the attempt

  std::vector<int32_t> prompt;
  std::vector<int32_t> tokens;
  AnswerForm form;        // what it has to obey, and how it is read
  std::string text;       // special tokens written out, the end token left out, trimmed; reasoning and calls apart
  std::string reasoning;  // what the model thought
  std::vector<AnswerCall> calls;
  std::string broken_call;  // what is wrong with the last one; empty: nothing
  FinishReason finish = FinishReason::kLength;
  bool aborted = false;  // given up because it could not become good enough
  std::string error;     // why there is no answer; empty: there is one
  std::string logits_hash;
  std::string kv;           // JSON: what the memory did
  std::string settings;     // JSON: of the sampler
  std::string speculation;  // JSON: how much of a draft came true; empty: there was none
  double cpu_s = 0;         // thread-seconds of the engine's steps, by this generation's share of their rows
  double wall_s = 0;
  double measure_s = 0;                 // of wall_s: what was spent on looking at logits
  std::vector<QuestionToken> question;  // what the model thinks of the question; empty where it was not looked at

  std::vector<double> features;  // of all_features(), in their order
  std::vector<CheckResult> checks;
  std::vector<ResolvedCitation> citations;
  const Calibration* calibration = nullptr;  // of the model, null: none for this task
  std::optional<Gate::Verdict> gate;         // whether the calibrator knows such questions; nothing: it has no gate
  std::optional<double> p;                   // P(right); nothing without a calibrator, and outside of its gate
  std::optional<double> p_deep;              // P(the deep model would be right), where the calibrator knows
  std::optional<double> threshold;           // that p is held against
  std::optional<double> agreement;           // share of further samples that say the same
  std::string verifier;                      // "", "supported", "unsupported", "unverified: why"
  std::optional<double> p_true;              // the verifier's P(yes)
  std::string action;                        // what was done next
  std::string reason;

  bool outside() const { return gate && !gate->inside; }
  bool answered() const { return error.empty() && !aborted; }
  // A check failed: none is forgiven. So it is when an answer from passages cites none, or one that is not there.
  bool failed_check() const;
  bool passed(std::string_view comparator) const;
  bool uncited() const;  // it has passages, gives an answer, and has no citation, or one that resolves to nothing
};

// A prompt that is read once for several attempts: each goes on from a fork of the session.
struct PromptRead {
  std::shared_ptr<LoadedModel> model;
  std::vector<int32_t> prompt;
  std::unique_ptr<Session> session;  // null: nothing was read
  size_t n_tokens = 0;               // of the prompt, in the session
  std::vector<QuestionToken> question;

  bool serves(const Attempt& attempt) const {
    return session != nullptr && model == attempt.model && prompt == attempt.prompt;
  }
};

// How a generation is run; all borrowed.
struct AttemptRun {
  TokenRange question = {};  // of the prompt: looked at while it is read; empty: not looked at
  int max_tokens = 512;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  const std::atomic<bool>* cancel = nullptr;
  // After every token: whether to go on. May be empty.
  std::function<bool(std::span<const TokenStats> stats)> hopeful = {};
  // Tokens of the prompt that are read, and all of them. May be empty.
  std::function<void(size_t done, size_t total)> on_read = {};
  // The text of the answer (Attempt::text), in pieces as it is written. May be empty.
  std::function<void(std::string_view text)> on_text = {};
  std::string_view key = {};         // whose it is: the model's engine is fair among keys
  PromptRead* keep = nullptr;        // gets the prompt as far as it was read, with the question
  const PromptRead* from = nullptr;  // not read again where it serves; several may go on from one at once
  // What another attempt answered, in the same vocabulary: what is the same again is evaluated at once. Changes no bit.
  std::span<const int32_t> draft = {};
};

// Fills in everything up to `wall_s`. A failed generation is no error here: `error` says why, and `failure` of the
// result is its code. Passes the deadline: error "deadline".
struct AttemptOutcome {
  std::optional<ErrorCode> failure;
  std::vector<TokenStats> stats;
};
AttemptOutcome run_attempt(Attempt& attempt, std::span<const Segment> segments, const AttemptRun& run);

// P(yes) against no for the first token of an answer, from the logits after the prompt.
struct YesProbability {
  double p = 0;
  double cpu_s = 0;
};
// Of `run` the deadline, the cancel flag and the key count. Errors: those of Session::eval, kCancelled (also the
// deadline), kUnsupported when the vocabulary has no tokens for the two words.
Result<YesProbability> probability_of_yes(LoadedModel& model, std::span<const int32_t> prompt, const AttemptRun& run);

}  // namespace kedge::router
