#include "engine/generation_run.h"

#include <algorithm>

namespace kedge::engine {

namespace {

constexpr size_t kReserved = 4096;  // tokens

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Generation::Run::Run(GenerationSource& source, std::span<const int32_t> prompt, const GenerateOptions& options,
                     const GenerateCallbacks& callbacks, Parts parts)
    : source_(source),
      options_(options),
      callbacks_(callbacks),
      sampler_(std::move(parts.sampler)),
      stops_(std::move(parts.stops)),
      filter_(std::move(parts.filter)),
      speculation_(std::move(parts.speculation)),
      wanted_(prompt),
      before_(source.tokens().size()),
      begun_(Clock::now()) {
  result_.settings = sampler_.effective();
  result_.samplers = sampler_.order();
  result_.seed = sampler_.seed();
  result_.request = sampler_.request();
  if (options.logprobs >= 0) result_.logprobs_per_token = static_cast<size_t>(options.logprobs) + 1;
}

Status Generation::Run::advance(Status evaluated) {
  const bool prompt = start_ == Clock::time_point();
  if (prompt) {
    result_.n_prompt = source_.tokens().size() - before_;
    result_.prefill_ms = ms_since(begun_);
  }
  if (!evaluated.ok()) {
    if (evaluated.error().code != ErrorCode::kCancelled) return evaluated;
    if (!ending_) finish(stopped().value_or(FinishReason::kCancelled));
    end(*ending_);
    return {};
  }
  if (ending_) {
    end(*ending_);
    return {};
  }
  if (prompt) {
    KEDGE_TRY(begin_text());
  } else {
    speculation_.evaluated(unread_.size(), forced_ahead_ ? 0 : source_.n_ahead(), source_.last_step());
  }
  unread_.clear();
  KEDGE_ASSIGN(reason, choose());
  reason ? finish(*reason) : want();
  return {};
}

void Generation::Run::want() {
  wanted_ = unread_;
  guesses_ = {};
  const size_t room = left() - 1;  // the last token is not evaluated
  const auto forced = looks_at_logits() ? filter_.all_forced(left()) : std::span<const int32_t>();
  forced_ahead_ = !forced.empty();
  if (forced_ahead_) {
    guesses_ = forced.first(std::min(forced.size(), room));
  } else if (source_.may_guess()) {
    guesses_ = speculation_.guess(room);
  }
}

Status Generation::Run::begin_text() {
  // The most this run can produce, so that decoding does not allocate.
  result_.tokens.reserve(std::min(left(), kReserved));
  result_.logprobs.reserve(std::min(left(), kReserved) * result_.logprobs_per_token);
  const auto tokens = source_.tokens();
  start_ = Clock::now();  // a draft that has to read the text takes its time, too
  speculation_.begin(tokens);
  KEDGE_TRY(source_.begin_text(tokens.empty() ? -1 : tokens.back(), options_.render_special));
  utf8_.push(source_.open_character(), &characters_);
  return {};
}

size_t Generation::Run::left() const {
  const size_t room = source_.n_ctx() + 1 - position();  // the last one is not evaluated
  if (options_.max_tokens < 0) return room;
  return std::min(room, static_cast<size_t>(options_.max_tokens) - result_.tokens.size());
}

Generation::Run::Reason Generation::Run::stopped() const {
  const bool flag = callbacks_.cancel != nullptr && callbacks_.cancel->load(std::memory_order_relaxed);
  if (callback_cancelled_ || flag) return FinishReason::kCancelled;
  if (options_.deadline < Clock::now()) return FinishReason::kDeadline;
  return std::nullopt;
}

Generation::Run::Reason Generation::Run::ended() const {
  if (const Reason outside = stopped()) return outside;
  if (filter_.over()) return FinishReason::kStopToken;
  if (at_limit()) return FinishReason::kLength;
  if (position() > source_.n_ctx()) return FinishReason::kContextFull;
  return std::nullopt;
}

Result<Generation::Run::Reason> Generation::Run::choose() {
  Reason reason = ended();
  while (!reason) {
    KEDGE_ASSIGN(stop, step());
    reason = stop ? stop : ended();
    if (!reason && !goes_on()) break;
  }
  return reason;
}

bool Generation::Run::goes_on() {
  const bool taken = unread_.size() == 1 && source_.take(unread_[0]);
  speculation_.chosen(result_.tokens.back(), taken && !forced_ahead_);
  if (taken) unread_.clear();
  return taken || (!looks_at_logits() && filter_.forced(left()).has_value());
}

Result<int32_t> Generation::Run::next_token() {
  if (const auto forced = filter_.forced(left())) return *forced;
  KEDGE_ASSIGN(allowed, filter_.allowed(left()));
  const auto history = source_.tokens();
  return sampler_.next(source_.logits(), history, static_cast<int>(history.size()), allowed);
}

Result<Generation::Run::Reason> Generation::Run::step() {
  KEDGE_ASSIGN(token, next_token());
  KEDGE_TRY(filter_.accept(token));
  result_.tokens.push_back(token);
  const std::span<const TokenLogprob> top = add_logprobs(token);
  unread_.push_back(token);
  if (callbacks_.on_token && !callbacks_.on_token(token, top)) callback_cancelled_ = true;
  const auto eog = source_.eog_tokens();
  if (std::binary_search(eog.begin(), eog.end(), token)) return Reason(FinishReason::kStopToken);
  bytes_.clear();
  characters_.clear();
  KEDGE_TRY(source_.append_text(token, &bytes_));
  utf8_.push(bytes_, &characters_);
  return emit_characters() ? Reason(FinishReason::kStopString) : Reason();
}

std::span<const TokenLogprob> Generation::Run::add_logprobs(int32_t token) {
  const size_t row = result_.logprobs.size();
  if (result_.logprobs_per_token == 0) return {};
  result_.logprobs.resize(row + result_.logprobs_per_token);
  const auto out = std::span(result_.logprobs).subspan(row);
  log_probabilities(source_.logits(), token, out);
  return out;
}

bool Generation::Run::emit_characters() {
  certain_.clear();
  const bool stop = stops_.push(characters_, &certain_);
  emit();
  return stop;
}

void Generation::Run::emit() {
  if (certain_.empty()) return;
  result_.text += certain_;
  if (!callbacks_.on_text || callback_cancelled_) return;
  if (!callbacks_.on_text(certain_)) callback_cancelled_ = true;
}

// Gives out what is still held back, unless a stop string was met. Tokens that came without being asked for, all but
// the last, are still to be evaluated.
void Generation::Run::finish(FinishReason reason) {
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
  ending_ = reason;
  wanted_ = {};
  guesses_ = {};
  result_.speculation = speculation_.result();
  const bool in_time = reason != FinishReason::kCancelled && reason != FinishReason::kDeadline;
  if (in_time && unread_.size() > 1) {
    wanted_ = std::span<const int32_t>(unread_).first(unread_.size() - 1);
  } else {
    end(reason);
  }
}

void Generation::Run::end(FinishReason reason) {
  over_ = true;
  wanted_ = {};
  if (start_ != Clock::time_point()) result_.decode_ms = ms_since(start_);
  result_.finish = reason;
  result_.stop_index = stops_.matched();
  result_.unfinished = !filter_.may_end();
}

}  // namespace kedge::engine
