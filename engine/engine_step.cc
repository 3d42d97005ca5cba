// One step: of every call with a share the transaction of its memory is begun, the rows of all go through the network
// together, and what came of it is committed sequence by sequence.
#include <algorithm>

#include "engine/engine_state.h"
#include "engine/sampler.h"
#include "engine/step.h"

namespace kedge::engine {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

// Every row of logits comes through here, whoever asked for it: what is no number goes no further.
Status Engine::Call::take_row(int row, std::span<const float> logits, bool finite, bool alone) {
  if (hidden_from) return take_hidden(first_position + row, logits, finite);
  if (n_guesses > 0) {
    const auto guess = row - static_cast<int>(remaining() - n_guesses - 1);
    // Rows behind one that is no number are not taken: whoever really gets there is told.
    Session::State::Ahead& ahead = sequence->ahead;
    const bool follows = ahead.rows.size() == static_cast<size_t>(std::max(guess, 0)) * logits.size();
    if (finite && guess >= 0 && follows) ahead.rows.insert(ahead.rows.end(), logits.begin(), logits.end());
    if (finite || guess > 0) return {};
  }
  if (!finite) {
    Error error = check_finite(logits, first_position + row).error();
    if (sequence->options.kv_type != KvFormat::kF32) error.message += "; a float32 cache (--kv-type f32) holds more";
    return error;
  }
  if (rows == nullptr) return {};
  if (!hands_over_later(alone)) return (*rows)(first_position + row, logits);  // the leader is the caller itself
  kept_rows.insert(kept_rows.end(), logits.begin(), logits.end());
  return {};
}

Status Engine::Call::take_hidden(int position, std::span<const float> state, bool finite) const {
  if (finite) return (*rows)(position, state);
  return Error{ErrorCode::kInternal, "the hidden state at position " + std::to_string(position) +
                                         " is no number: the weights are damaged or overflow"};
}

int Engine::Call::first_row_wanted(int n) const {
  if (hidden_from)
    return *hidden_from <= done ? 0 : static_cast<int>(std::min(*hidden_from - done, static_cast<size_t>(n)));
  if (rows != nullptr) return 0;
  // Without a use for them not even one is computed.
  return static_cast<size_t>(n) == remaining() ? n - 1 - static_cast<int>(n_guesses) : n;
}

void Engine::Call::limit_guesses(int n) {
  const auto taken = static_cast<size_t>(n);
  if (n_guesses == 0 || taken < certain()) return;
  n_guesses = taken - certain();
  tokens = tokens.first(done + taken);
}

Status Engine::Call::hand_over() {
  const size_t width = sequence->last_logits.size();
  for (size_t at = 0; at < kept_rows.size(); at += width) {
    const int position = first_position + static_cast<int>(at / width);
    KEDGE_TRY((*rows)(position, std::span(kept_rows).subspan(at, width)));
  }
  kept_rows.clear();
  if (hooks->progress && !hooks->progress(done, tokens.size())) {
    return Error{ErrorCode::kCancelled,
                 "cancelled after " + std::to_string(done) + " of " + std::to_string(tokens.size()) + " tokens"};
  }
  return {};
}

Result<KvStep> Engine::State::begin(Call& call, int wanted) {
  Session::State& s = *call.sequence;
  KEDGE_TRY(swap_in(s));
  KEDGE_TRY(close(s));
  s.read_texts(call.tokens.subspan(call.done, static_cast<size_t>(wanted)));
  const int certain = call.n_guesses > 0 ? static_cast<int>(call.certain()) : KvStep::kAll;
  for (;;) {
    auto begun = KvStep::begin(*s.memory, s.texts, wanted, team, certain);
    if (begun.ok() || s.memory->missing_pages() == 0) return begun;
    if (wanted > certain) {
      wanted = certain;  // nobody makes room for guesses
    } else if (!alone || !drop_kept()) {
      return begun;
    }
  }
}

// Recalls that a commit could not do for want of pages.
Status Engine::State::settle(Session::State& sequence) {
  for (;;) {
    Status settled = sequence.memory->settle(team);
    if (settled.ok() || sequence.memory->missing_pages() == 0) return settled;
    const Relief relief = relieve(sequence);
    if (relief == Relief::kNone) return settled;
    if (relief == Relief::kLater) return {};  // not while this step lasts: the next one of this sequence begins with it
  }
}

Engine::Outcome Engine::State::end(Call& call, KvStep& kv, StepPart& part) {
  Session::State& s = *call.sequence;
  const auto n = static_cast<size_t>(kv.n());
  if (!part.status.ok()) return {.wasted = n, .status = std::move(part.status)};
  if (call.n_guesses > 0 && n == call.remaining()) return leave_open(call, kv, part);
  const auto added = part.tokens;
  Status committed = kv.commit(team);
  s.tokens.insert(s.tokens.end(), added.begin(), added.end());
  if (!committed.ok() && s.memory->missing_pages() > 0) committed = settle(s);
  const bool done = call.done + n == call.tokens.size();
  s.has_logits = !call.hidden_from && done;
  if (committed.ok()) s.keep(done && !call.decodes());
  return {.tokens = n, .status = std::move(committed)};
}

Engine::StepResult Engine::State::run_step(std::span<Call* const> ready, std::span<const Scheduler::Share> shares) {
  const auto start = std::chrono::steady_clock::now();
  StepResult result;
  result.outcomes.resize(shares.size());
  std::vector<StepPart> parts;
  std::vector<KvStep> steps;
  std::vector<size_t> share_of;
  std::vector<std::pair<size_t, Error>> starved;
  const auto d_model = static_cast<size_t>(model->config().d_model);
  steps.reserve(shares.size());
  for (size_t i = 0; i < shares.size(); ++i) {
    Call& call = *ready[shares[i].demand];
    Session::State& s = *call.sequence;
    auto begun = begin(call, shares[i].tokens);
    if (!begun.ok()) {
      if (s.memory->missing_pages() > 0 && !alone) {
        starved.emplace_back(i, std::move(begun).error());
      } else {
        result.outcomes[i].status = std::move(begun).error();
      }
      continue;
    }
    steps.push_back(std::move(begun).value());
    const int n = steps.back().n();
    call.limit_guesses(n);
    s.ahead.rows.clear();
    s.has_logits = false;
    call.first_position = steps.back().first_position();
    call.sink = [&call, this](int row, std::span<const float> logits, bool finite) {
      return call.take_row(row, logits, finite, alone);
    };
    const int first_logit_row = call.first_row_wanted(n);
    const bool looks = first_logit_row < n && !call.hidden_from;
    const bool keeps = looks && call.n_guesses == 0;
    if (looks) s.last_logits.resize(static_cast<size_t>(model->config().n_vocab));
    parts.push_back({.tokens = call.tokens.subspan(call.done, static_cast<size_t>(n)),
                     .adapters = s.options.adapters,
                     .first_logit_row = first_logit_row,
                     .hidden = call.hidden_from.has_value(),
                     .states = s.states.wanted() ? &s.states : nullptr,
                     .given = call.given.empty() ? call.given : call.given.subspan(call.done * d_model),
                     .far_context = model->config().is_far(s.options.n_ctx),
                     .sink = &call.sink,
                     .last_logits = keeps ? std::span(s.last_logits) : std::span<float>(),
                     .experts = &s.experts,
                     .cancel = call.hooks->cancel,
                     .status = {}});
    share_of.push_back(i);
    (call.decodes() ? result.decode_rows : result.prompt_rows) += n;
  }
  for (size_t p = 0; p < parts.size(); ++p) parts[p].kv = &steps[p];
  if (!parts.empty()) {
    StepParts all(parts, buffers);
    Step pass({model->config(), *kernels, fast, team, buffers, activations}, all);
    model->network().forward(pass);
  }
  for (size_t p = 0; p < parts.size(); ++p) {
    Call& call = *ready[shares[share_of[p]].demand];
    result.outcomes[share_of[p]] = end(call, steps[p], parts[p]);
  }
  result.seconds = seconds_since(start);
  const double rows = result.decode_rows + result.prompt_rows;
  for (size_t p = 0; p < parts.size(); ++p) {
    Session::State& s = *ready[shares[share_of[p]].demand]->sequence;
    s.cost_s += result.seconds * team.size() * parts[p].n() / rows;
    s.last_step = {parts[p].n(), result.prompt_rows, static_cast<int>(parts.size()), result.seconds};
  }
  steps.clear();
  // No step is open any more, but for guesses, which can be ended: whoever has pages can be made to wait.
  for (auto& [i, error] : starved) {
    if (relieve(*ready[shares[i].demand]->sequence) == Relief::kNone) result.outcomes[i].status = std::move(error);
  }
  return result;
}

}  // namespace kedge::engine
