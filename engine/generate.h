// Prompt tokens in, text out: prefill, then sample, decode, and stop for a reason that is always given.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/grammar/constraint.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "kernels/base/result.h"
#include "memory/kv_log.h"

namespace kedge::engine {

// The numbers of kedge_finish_reason.
enum class FinishReason : int {
  kStopToken = 1,    // the model ended its answer, or its constraint has come to its end
  kStopString = 2,   // a stop string; neither it nor what follows is in the text
  kLength = 3,       // max_tokens
  kContextFull = 4,  // no room in the KV cache for another token
  kCancelled = 5,    // by a callback or the cancel flag
  kDeadline = 6,     // GenerateOptions::deadline
};
const char* finish_reason_name(FinishReason reason);  // "stop_token", "stop_string", "length", ...

inline constexpr int kMaxTopLogprobs = 100;

inline constexpr int kMostGuesses = 31;  // at once

// Tokens are guessed, and evaluated together with the last one chosen: where the sampler chooses what was guessed, a
// step gives several tokens. Every token is chosen from the logits and with the random numbers it would have had
// without.
struct SpeculationOptions {
  enum class Kind { kNone, kNgram, kDraft, kTokens, kMtp };
  Kind kind = Kind::kNone;
  int most = 8;                      // tokens guessed at once, 1 to kMostGuesses
  bool adaptive = true;              // fewer, or none, where the time they take is more than what they save
  std::vector<int32_t> tokens = {};  // kTokens: the answer somebody else gave
  Session* draft = nullptr;          // kDraft: of a model with the same vocabulary; outlives the call
};
const char* speculation_kind_name(SpeculationOptions::Kind kind);  // "none", "ngram", "draft", "tokens", "mtp"

struct GenerateOptions {
  int max_tokens = -1;      // -1: until the model stops or the context is full; 0: only evaluate the prompt
  int logprobs = -1;        // -1: none; 0: of the chosen tokens; n: also of the n most likely (at most kMaxTopLogprobs)
  bool ignore_eos = false;  // tokens that end a generation are never chosen
  // on_token finds the logits of every token in the session, of those too that a constraint leaves no choice for.
  bool every_logits = false;
  bool render_special = false;  // control tokens appear in the text
  std::vector<std::string> stop = {};
  std::shared_ptr<const grammar::Constraint> constraint = {};  // null: none
  SpeculationOptions speculation = {};
  SamplerOptions sampler = {};  // `breakers` is filled in from the vocabulary
  std::string key = {};         // whose call it is: an engine is fair among keys
  double weight = 1;            // of the key, against others
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

// All optional; those that return bool cancel by false. They run on the calling thread.
struct GenerateCallbacks {
  std::function<bool(std::string_view text)> on_text = {};  // whole characters, as they become certain
  std::function<bool(int32_t token, std::span<const TokenLogprob> top)> on_token =
      {};  // chosen first, as in the result
  std::function<bool(size_t done, size_t total)> on_prefill = {};
  const std::atomic<bool>* cancel = nullptr;  // looked at between tokens and inside eval
};

struct SpeculationResult {
  size_t steps = 0;          // of the model, behind the prompt
  size_t guessed = 0;        // tokens evaluated before they were chosen
  size_t accepted = 0;       // of those
  std::string stopped = {};  // why it came to an end before the answer did
};

struct GenerateResult {
  FinishReason finish = FinishReason::kLength;
  int stop_index = -1;          // of the stop string met
  std::vector<int32_t> tokens;  // every token chosen, the stop token included
  // What on_text was given, together. A character that the end cut in two is in it only when the model itself ended
  // there (as U+FFFD); otherwise the generation that goes on from here begins with it, whole.
  std::string text;
  std::vector<TokenLogprob> logprobs;  // tokens.size() rows: the chosen token, then the most likely
  size_t logprobs_per_token = 0;
  size_t n_prompt = 0;  // prompt tokens evaluated: fewer than given only when cancelled
  double prefill_ms = 0;
  double decode_ms = 0;  // from the first token chosen to the end
  double cost_s = 0;     // thread-seconds of the engine's steps, by this generation's share of their rows
  std::vector<std::pair<const char*, double>> settings;  // of the samplers, as they took effect
  std::vector<const char*> samplers;                     // those that ran, in their order
  uint64_t seed = 0;
  uint64_t request = 0;
  bool unfinished = false;  // ended where the constraint's text is not whole
  SpeculationResult speculation;
  KvCounts kv_before = {};  // of the session's memory, when it began
};

// Appends `prompt` to the session and generates. Afterwards the session holds the prompt and every generated token but
// the last (or the last few, when it was cancelled where a constraint left no choice). An empty prompt goes on from the
// session's last logits. Errors: a prompt that does not fit the rest of the context (kCapacity, nothing is evaluated,
// nothing is ever cut off), an option outside its range, an empty prompt on an empty session, a token outside the
// vocabulary (kInvalidArgument), and those of Session::eval, Sampler::next and TokenFilter.
Result<GenerateResult> generate(Session& session, std::span<const int32_t> prompt, const GenerateOptions& options,
                                const GenerateCallbacks& callbacks = {});

// What generation needs of a session and its tokenizer; the seam for tests.
class GenerationSource {
 public:
  virtual ~GenerationSource() = default;
  virtual size_t n_vocab() const = 0;
  virtual size_t n_ctx() const = 0;
  virtual std::span<const int32_t> tokens() const = 0;  // in the cache
  virtual std::span<const float> logits() const = 0;
  virtual Status eval(std::span<const int32_t> tokens, const std::function<bool(size_t, size_t)>& progress,
                      const std::atomic<bool>* cancel) = 0;
  // The same as eval(tokens), and guesses of what follows with them: Session::eval_ahead, take, may_guess, n_ahead.
  virtual Status eval_ahead(std::span<const int32_t> tokens, std::span<const int32_t>,
                            const std::atomic<bool>* cancel) {
    return eval(tokens, {}, cancel);
  }
  virtual bool take(int32_t) { return false; }
  virtual bool may_guess() const { return false; }
  virtual size_t n_ahead() const { return 0; }
  virtual StepCost last_step() const { return {}; }
  virtual Session* session() { return nullptr; }                             // the real one, if there is one
  virtual double cost_s() const { return 0; }                                // thread-seconds spent on it so far
  virtual std::span<const int32_t> eog_tokens() const = 0;                   // sorted
  virtual std::span<const int32_t> suppressed_tokens() const { return {}; }  // never chosen
  virtual std::vector<int32_t> breaker_tokens() const = 0;                   // called only when DRY is on
  // Appends the bytes of the next token of the sequence. begin_text() comes first, with the last token before it, or
  // -1.
  virtual Status begin_text(int32_t last, bool render_special) = 0;
  virtual Status append_text(int32_t token, std::string* bytes) = 0;
  // Bytes of a character that the sequence begins but does not end.
  virtual std::string open_character() const { return {}; }
};

// A generation under way, as a machine whose steps somebody else evaluates: wanted() are the tokens to evaluate next,
// advance() looks at the logits they gave, chooses a token and gives out its text. The source, the options and the
// callbacks outlive it.
class Generation {
 public:
  // Errors: as generate().
  static Result<std::unique_ptr<Generation>> begin(GenerationSource& source, std::span<const int32_t> prompt,
                                                   const GenerateOptions& options, const GenerateCallbacks& callbacks);
  ~Generation();

  bool over() const;
  // Empty at first when the generation goes on from logits that are there. Valid until advance().
  std::span<const int32_t> wanted() const;
  // What may come behind it, to be evaluated with it.
  std::span<const int32_t> guesses() const;
  // What evaluating wanted() gave. Errors: its own, unless it was cancelled; those of the sampler.
  Status advance(Status evaluated);
  // When it is over.
  GenerateResult result();

 private:
  class Run;
  explicit Generation(std::unique_ptr<Run> run);
  std::unique_ptr<Run> run_;
};

// Evaluates what a generation wants until it is over.
Result<GenerateResult> drive(Generation& generation, GenerationSource& source, const GenerateCallbacks& callbacks);
Result<GenerateResult> generate(GenerationSource& source, std::span<const int32_t> prompt,
                                const GenerateOptions& options, const GenerateCallbacks& callbacks = {});

}  // namespace kedge::engine
