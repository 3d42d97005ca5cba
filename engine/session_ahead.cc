// Tokens that are evaluated before it is known whether they come. The step they are in stays open as a transaction of
// the memory: what was right of it is committed when the sequence goes on, the rest never was. Where a step cannot be
// cut (a recurrent state lies behind its last token; attention of its rows has been counted) it is dropped, and the
// tokens that were right are evaluated once more, in front of the next ones.
#include <algorithm>

#include "engine/engine_state.h"

namespace kedge::engine {

int Session::State::n_past() const {
  return memory->sequence().next_position() + (ahead.step ? static_cast<int>(ahead.taken) : 0);
}

size_t Session::State::n_again() const {
  const bool in_parts = !ahead.step || ahead.taken == 0 || ahead.step->can_keep(static_cast<int>(ahead.taken));
  return in_parts ? 0 : ahead.taken;
}

Status Session::State::run(Engine::Call& call) {
  std::vector<int32_t> all;
  if (const size_t again = n_again(); again > 0) {
    const auto first = tokens.end() - static_cast<std::ptrdiff_t>(again);
    all.assign(first, tokens.end());
    all.insert(all.end(), call.tokens.begin(), call.tokens.end());
    tokens.erase(first, tokens.end());
    ahead.taken = 0;
    call.tokens = all;
  }
  has_logits = false;
  call.sequence = this;
  return engine->run(call);
}

Engine::Outcome Engine::State::leave_open(const Call& call, KvStep& kv, const StepPart& part) {
  Session::State& s = *call.sequence;
  Session::State::Ahead& ahead = s.ahead;
  const auto n = static_cast<size_t>(kv.n());
  ahead.tokens.assign(part.tokens.begin(), part.tokens.end());
  ahead.taken = n - call.n_guesses;
  ahead.first_row = ahead.taken - 1;
  s.tokens.insert(s.tokens.end(), part.tokens.begin(), part.tokens.begin() + static_cast<std::ptrdiff_t>(ahead.taken));
  std::copy_n(ahead.rows.begin(), s.last_logits.size(), s.last_logits.begin());
  s.has_logits = true;
  ahead.step.emplace(std::move(kv));
  return {.tokens = n, .status = {}};
}

Status Engine::State::close(Session::State& s) {
  if (!s.ahead.step) return {};
  KvStep step = std::move(*s.ahead.step);
  s.ahead.step.reset();
  const auto taken = static_cast<int>(s.ahead.taken);
  if (taken == 0) {
    step.retract();
    return {};
  }
  Status committed = step.commit(team, taken);
  // What it has to bring back and finds no pages for, the next step begins with.
  if (!committed.ok() && s.memory->missing_pages() > 0) committed = {};
  if (committed.ok()) s.keep(false);
  return committed;
}

bool Session::may_guess() const { return state_->n_again() == 0; }

Status Session::eval_ahead(std::span<const int32_t> tokens, std::span<const int32_t> guesses, const EvalHooks& hooks) {
  const auto held = use();
  State& s = *state_;
  KEDGE_TRY(s.check_tokens(tokens));
  const size_t room = static_cast<size_t>(s.options.n_ctx - n_past()) - tokens.size();
  if (guesses.size() > room) guesses = guesses.first(room);
  if (!may_guess() || !s.check_tokens(guesses).ok()) guesses = {};
  std::vector<int32_t> all(tokens.begin(), tokens.end());
  all.insert(all.end(), guesses.begin(), guesses.end());
  Engine::Call call;
  call.tokens = all;
  call.n_guesses = guesses.size();
  call.decoding = true;
  call.hooks = &hooks;
  return s.run(call);
}

void Session::keep_states(size_t most) {
  const auto held = use();
  state_->states.watch(most);
}

const StateRows& Session::states() const { return state_->states; }

Status Session::eval_given(std::span<const int32_t> tokens, std::span<const float> given, const EvalHooks& hooks) {
  const auto held = use();
  KEDGE_TRY(state_->check_tokens(tokens));
  if (given.size() != tokens.size() * static_cast<size_t>(model().config().d_model)) {
    return Error{ErrorCode::kInvalidArgument, "hidden states of other tokens"};
  }
  Engine::Call call;
  call.tokens = tokens;
  call.given = given;
  call.hooks = &hooks;
  return state_->run(call);
}

Result<Predictor*> Session::predictor() {
  const auto held = use();
  if (state_->predictor == nullptr) {
    KEDGE_ASSIGN(made, Predictor::make(*this));
    state_->predictor = std::move(made);
    state_->states.watch(Predictor::kReach);
  }
  return state_->predictor.get();
}

bool Session::take(int32_t token) {
  State& s = *state_;
  State::Ahead& ahead = s.ahead;
  if (!ahead.step || ahead.taken == ahead.tokens.size()) return false;
  const size_t width = s.last_logits.size();
  const size_t row = (ahead.taken - ahead.first_row) * width;
  if (ahead.tokens[ahead.taken] != token || row + width > ahead.rows.size()) {
    ahead.tokens.resize(ahead.taken);
    return false;
  }
  s.tokens.push_back(token);
  std::copy_n(ahead.rows.begin() + static_cast<std::ptrdiff_t>(row), width, s.last_logits.begin());
  ++ahead.taken;
  return true;
}

size_t Session::n_ahead() const {
  const State& s = *state_;
  return s.ahead.step ? s.ahead.tokens.size() - s.ahead.taken : 0;
}

Status Session::catch_up() const {
  if (state_->n_again() == 0) return {};
  const EvalHooks hooks;
  Engine::Call call;
  call.decoding = true;
  call.hooks = &hooks;
  return state_->run(call);
}

Status Session::settle() {
  if (!state_->ahead.step) return {};
  return between_steps([](const ThreadTeam&) { return Status(); });
}

StepCost Session::last_step() const { return state_->last_step; }

}  // namespace kedge::engine
