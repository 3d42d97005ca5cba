#include "engine/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "engine/capi/settings_json.h"
#include "engine/stop_matcher.h"
#include "tokenizer/utf8_stream.h"

namespace kedge::engine {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Status check(const GenerationSource& source, std::span<const int32_t> prompt, const GenerateOptions& options) {
  if (options.max_tokens < -1) {
    return invalid("max_tokens = " + std::to_string(options.max_tokens) + " is below -1 (no limit)");
  }
  if (options.logprobs < -1 || options.logprobs > kMaxTopLogprobs) {
    return invalid("logprobs = " + std::to_string(options.logprobs) + " is outside -1 to " +
                   std::to_string(kMaxTopLogprobs));
  }
  if (options.logprobs > 0 && static_cast<size_t>(options.logprobs) > source.n_vocab()) {
    return invalid("logprobs = " + std::to_string(options.logprobs) + ", but the vocabulary has only " +
                   std::to_string(source.n_vocab()) + " tokens");
  }
  const size_t past = source.tokens().size();
  const size_t room = source.n_ctx() - std::min(past, source.n_ctx());
  if (prompt.size() > room) {
    return Error{ErrorCode::kCapacity, "the prompt has " + std::to_string(prompt.size()) +
                                           " tokens, the context has room for " + std::to_string(room) + " (" +
                                           std::to_string(source.n_ctx()) + ", of which " + std::to_string(past) +
                                           " are in use)"};
  }
  if (prompt.empty() && source.logits().empty()) {
    return invalid("the prompt is empty and the session has no logits to go on from");
  }
  return {};
}

bool asks_for_dry(const SamplerOptions& options) {
  return std::any_of(options.settings.begin(), options.settings.end(),
                     [](const auto& s) { return s.first == "dry_multiplier" && s.second != 0.0; });
}

}  // namespace

class Generation::Run {
 public:
  Run(GenerationSource& source, std::span<const int32_t> prompt, const GenerateOptions& options,
      const GenerateCallbacks& callbacks, Sampler sampler, StopMatcher stops)
      : source_(source),
        options_(options),
        callbacks_(callbacks),
        sampler_(std::move(sampler)),
        stops_(std::move(stops)),
        wanted_(prompt),
        before_(source.tokens().size()),
        begun_(Clock::now()) {
    result_.settings = generate_settings_json(options, sampler_);
    if (options.logprobs >= 0) result_.logprobs_per_token = static_cast<size_t>(options.logprobs) + 1;
  }

  bool over() const { return over_; }
  std::span<const int32_t> wanted() const { return wanted_; }

  Status advance(Status evaluated) {
    const bool prompt = start_ == Clock::time_point();
    if (prompt) {
      result_.n_prompt = source_.tokens().size() - before_;
      result_.prefill_ms = ms_since(begun_);
    }
    if (!evaluated.ok()) {
      if (evaluated.error().code != ErrorCode::kCancelled) return evaluated;
      finish(stopped().value_or(FinishReason::kCancelled));
      return {};
    }
    if (prompt) KEDGE_TRY(begin_text());
    KEDGE_ASSIGN(reason, choose());
    if (reason) finish(*reason);
    return {};
  }

  GenerateResult result() { return std::move(result_); }

 private:
  // The reason to end that came from outside, if any.
  std::optional<FinishReason> stopped() const {
    const bool flag = callbacks_.cancel != nullptr && callbacks_.cancel->load(std::memory_order_relaxed);
    if (callback_cancelled_ || flag) return FinishReason::kCancelled;
    if (options_.deadline < Clock::now()) return FinishReason::kDeadline;
    return std::nullopt;
  }

  Status begin_text() {
    // The most this run can produce, so that decoding does not allocate.
    size_t most = source_.n_ctx() - source_.tokens().size() + 1;
    if (options_.max_tokens >= 0) most = std::min(most, static_cast<size_t>(options_.max_tokens));
    result_.tokens.reserve(std::min(most, kReserved));
    result_.logprobs.reserve(std::min(most, kReserved) * result_.logprobs_per_token);
    const auto tokens = source_.tokens();
    KEDGE_TRY(source_.begin_text(tokens.empty() ? -1 : tokens.back(), options_.render_special));
    utf8_.push(source_.open_character(), &characters_);
    start_ = Clock::now();
    return {};
  }

  // The next token, from the logits that are there; or why there is none, or none behind it.
  Result<std::optional<FinishReason>> choose() {
    if (const auto outside = stopped()) return outside;
    if (static_cast<int>(result_.tokens.size()) == options_.max_tokens) return std::optional(FinishReason::kLength);
    KEDGE_ASSIGN(stop, step());
    if (stop != 0) return std::optional(static_cast<FinishReason>(stop));
    if (const auto outside = stopped()) return outside;
    if (static_cast<int>(result_.tokens.size()) == options_.max_tokens) return std::optional(FinishReason::kLength);
    if (source_.tokens().size() >= source_.n_ctx()) return std::optional(FinishReason::kContextFull);
    wanted_ = {&result_.tokens.back(), 1};
    return std::optional<FinishReason>();
  }

  // Chooses a token and gives out its text; a FinishReason, or 0 to go on.
  Result<int> step() {
    const auto history = source_.tokens();
    KEDGE_ASSIGN(token, sampler_.next(source_.logits(), history, static_cast<int>(history.size())));
    result_.tokens.push_back(token);
    const std::span<const TokenLogprob> top = add_logprobs(token);
    if (callbacks_.on_token && !callbacks_.on_token(token, top)) callback_cancelled_ = true;
    const auto eog = source_.eog_tokens();
    if (std::binary_search(eog.begin(), eog.end(), token)) return static_cast<int>(FinishReason::kStopToken);
    bytes_.clear();
    characters_.clear();
    KEDGE_TRY(source_.append_text(token, &bytes_));
    utf8_.push(bytes_, &characters_);
    return emit_characters() ? static_cast<int>(FinishReason::kStopString) : 0;
  }

  std::span<const TokenLogprob> add_logprobs(int32_t token) {
    const size_t row = result_.logprobs.size();
    if (result_.logprobs_per_token == 0) return {};
    result_.logprobs.resize(row + result_.logprobs_per_token);
    const auto out = std::span(result_.logprobs).subspan(row);
    log_probabilities(source_.logits(), token, out);
    return out;
  }

  // True when a stop string is complete.
  bool emit_characters() {
    certain_.clear();
    const bool stop = stops_.push(characters_, &certain_);
    emit();
    return stop;
  }

  void emit() {
    if (certain_.empty()) return;
    result_.text += certain_;
    if (!callbacks_.on_text || callback_cancelled_) return;
    if (!callbacks_.on_text(certain_)) callback_cancelled_ = true;
  }

  // Gives out what is still held back, unless a stop string was met.
  void finish(FinishReason reason) {
    over_ = true;
    wanted_ = {};
    if (reason != FinishReason::kStopString) {
      characters_.clear();
      if (reason == FinishReason::kStopToken) utf8_.flush(&characters_);
      if (emit_characters()) {
        reason = FinishReason::kStopString;
      } else {
        certain_.clear();
        stops_.finish(&certain_);
        emit();
      }
    }
    if (start_ != Clock::time_point()) result_.decode_ms = ms_since(start_);
    result_.finish = reason;
    result_.stop_index = stops_.matched();
  }

  static constexpr size_t kReserved = 4096;  // tokens

  GenerationSource& source_;
  const GenerateOptions& options_;
  const GenerateCallbacks& callbacks_;
  Sampler sampler_;
  StopMatcher stops_;
  Utf8Stream utf8_{InvalidUtf8::kReplace};
  std::span<const int32_t> wanted_;
  size_t before_;  // tokens of the session
  GenerateResult result_;
  Clock::time_point begun_;
  Clock::time_point start_{};  // of decoding
  bool over_ = false;
  bool callback_cancelled_ = false;
  std::string bytes_;       // of a token
  std::string characters_;  // whole ones
  std::string certain_;     // not part of a stop string
};

const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStopToken:
      return "stop_token";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kContextFull:
      return "context_full";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
  }
  return "unknown";
}

Generation::Generation(std::unique_ptr<Run> run) : run_(std::move(run)) {}
Generation::~Generation() = default;
bool Generation::over() const { return run_->over(); }
std::span<const int32_t> Generation::wanted() const { return run_->wanted(); }
Status Generation::advance(Status evaluated) { return run_->advance(std::move(evaluated)); }
GenerateResult Generation::result() { return run_->result(); }

Result<std::unique_ptr<Generation>> Generation::begin(GenerationSource& source, std::span<const int32_t> prompt,
                                                      const GenerateOptions& options,
                                                      const GenerateCallbacks& callbacks) {
  KEDGE_TRY(check(source, prompt, options));
  SamplerOptions sampling = options.sampler;
  if (options.ignore_eos) {
    for (const int32_t id : source.eog_tokens()) sampling.logit_bias.push_back({id, -INFINITY});
  }
  if (asks_for_dry(sampling)) sampling.breakers = source.breaker_tokens();
  KEDGE_ASSIGN(sampler, Sampler::create(sampling, source.n_vocab()));
  KEDGE_ASSIGN(stops, StopMatcher::create(options.stop));
  auto run = std::make_unique<Run>(source, prompt, options, callbacks, std::move(sampler), std::move(stops));
  return std::unique_ptr<Generation>(new Generation(std::move(run)));
}

Result<GenerateResult> drive(Generation& generation, GenerationSource& source, const GenerateCallbacks& callbacks) {
  const double cost_before = source.cost_s();
  for (bool first = true; !generation.over(); first = false) {
    const auto tokens = generation.wanted();
    Status evaluated;
    if (!tokens.empty()) {
      const auto& progress = first ? callbacks.on_prefill : std::function<bool(size_t, size_t)>();
      evaluated = source.eval(tokens, progress, callbacks.cancel);
    }
    KEDGE_TRY(generation.advance(std::move(evaluated)));
  }
  GenerateResult result = generation.result();
  result.cost_s = source.cost_s() - cost_before;
  return result;
}

Result<GenerateResult> generate(GenerationSource& source, std::span<const int32_t> prompt,
                                const GenerateOptions& options, const GenerateCallbacks& callbacks) {
  KEDGE_ASSIGN(generation, Generation::begin(source, prompt, options, callbacks));
  return drive(*generation, source, callbacks);
}

}  // namespace kedge::engine
