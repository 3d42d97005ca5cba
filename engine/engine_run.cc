// The queue of calls, and who leads: a caller that finds nobody leading runs the next step for all who wait, then
// hands on. The others sleep until their own call has news.
#include <algorithm>

#include "engine/engine_state.h"

namespace kedge::engine {

namespace {

using namespace std::chrono_literals;
// Cancel flags are set without a signal, from signal handlers too: sleepers look at them so often.
constexpr auto kPoll = 20ms;
// How long a step waits for sequences that were in the last one, as a share of what that took: whoever is late joins
// the one after.
constexpr double kGatherShare = 0.5;
constexpr double kGatherLeast_s = 0.001;
constexpr double kGatherMost_s = 0.025;

Error cancelled_error() { return {ErrorCode::kCancelled, "cancelled"}; }

}  // namespace

void Engine::State::arrive(Call& call) {
  Session::State& s = *call.sequence;
  if (s.expected) --n_expected;
  s.expected = false;
  if (s.reserved == 0) s.ticket = ++tickets;
  call.arrived = call.waiting_since = now;
  calls.push_back(&call);
  arrived.notify_one();
}

void Engine::State::finish(Call& call, Status status) {
  std::erase(calls, &call);
  call.status = std::move(status);
  call.phase = Call::Phase::kDone;
  Session::State& s = *call.sequence;
  s.last_used = now;
  if (!alone && call.status.ok()) {
    s.expected = true;
    ++n_expected;
  }
  call.wake->notify_one();
}

// Calls that were cancelled or whose time is over, as long as they are in no step.
void Engine::State::drop_hopeless() {
  for (size_t i = calls.size(); i-- > 0;) {
    Call& call = *calls[i];
    if (call.phase != Call::Phase::kReady) continue;
    const bool expired = call.expired();
    if (!expired && !call.cancelled()) continue;
    ++(expired ? stats.expired : call.decodes() ? stats.cancelled_decode : stats.cancelled_prompt);
    finish(call, cancelled_error());
  }
}

// Gives sequences of the last step the time to choose their next token.
void Engine::State::gather(std::unique_lock<std::mutex>& lock) {
  if (n_expected == 0) return;
  const double wait_s = std::clamp(kGatherShare * last_step_s, kGatherLeast_s, kGatherMost_s);
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(wait_s);
  arrived.wait_until(lock, until, [&] { return n_expected == 0 || n_exclusive > 0; });
  if (n_expected == 0) return;
  for (Session::State* s : sequences) s->expected = false;
  n_expected = 0;
}

// Somebody has to lead next: who works on memories first, then any call that is ready.
void Engine::State::pass_on() {
  if (n_exclusive > 0) {
    led.notify_one();
    return;
  }
  const auto next =
      std::find_if(calls.begin(), calls.end(), [](const Call* c) { return c->phase == Call::Phase::kReady; });
  if (next != calls.end()) (*next)->wake->notify_one();
}

void Engine::State::lead(std::unique_lock<std::mutex>& lock) {
  gather(lock);
  drop_hopeless();
  std::vector<Call*> ready;
  std::vector<Scheduler::Demand> demands;
  const int row_limit = logit_rows(model->config().n_vocab);
  // Who found no pages waits until there are more, unless nobody else has anything to do.
  const size_t n_free = alone ? 0 : arena->pages_total() - arena->pages_in_use();
  const auto may_go = [&](const Call* c) {
    return c->phase == Call::Phase::kReady && (!c->starved || n_free > c->free_pages);
  };
  const bool any = std::any_of(calls.begin(), calls.end(), may_go);
  for (Call* call : calls) {
    if (any ? !may_go(call) : call->phase != Call::Phase::kReady) continue;
    ready.push_back(call);
    const int at_once = call->hands_over_later(alone) ? row_limit : 1 << 30;
    demands.push_back({.key = call->sequence->key,
                       .remaining = static_cast<int>(call->remaining()),
                       .most = at_once,
                       .arrived = call->arrived,
                       .waiting_since = call->waiting_since,
                       .weight = call->sequence->weight,
                       .whole = model->config().both_directions,
                       .answers = call->decoding});
  }
  if (ready.empty()) {
    arrived.wait_for(lock, kPoll);
    return;
  }
  const std::vector<Scheduler::Share> shares = scheduler.plan(demands, now);
  for (const auto& share : shares) ready[share.demand]->phase = Call::Phase::kInStep;
  in_step = true;
  busy_since = std::chrono::steady_clock::now();
  lock.unlock();
  StepResult result = run_step(ready, shares);
  lock.lock();
  in_step = false;
  conclude(ready, shares, result);
  // Nothing could be done: those who have the pages need the time to come back.
  if (result.decode_rows + result.prompt_rows == 0) arrived.wait_for(lock, 1ms);
}

// What a step has brought to the calls that were in it.
void Engine::State::conclude(std::span<Call* const> ready, std::span<const Scheduler::Share> shares,
                             StepResult& result) {
  ++now;
  ++stats.steps;
  last_step_s = result.seconds;
  if (result.decode_rows + result.prompt_rows > 0) {
    scheduler.learn(result.decode_rows, result.prompt_rows, result.seconds * 1e3);
    stats.step_ms.add(result.seconds * 1e3);
    if (result.decode_rows > 0) stats.step_decode_rows.add(result.decode_rows);
    if (result.prompt_rows > 0) stats.step_prompt_rows.add(result.prompt_rows);
  }
  stats.decode_rows += static_cast<uint64_t>(result.decode_rows);
  stats.prompt_rows += static_cast<uint64_t>(result.prompt_rows);
  for (size_t i = 0; i < shares.size(); ++i) {
    Call& call = *ready[shares[i].demand];
    Outcome& outcome = result.outcomes[i];
    call.phase = Call::Phase::kReady;
    if (outcome.tokens > 0) {
      call.done += outcome.tokens;
      call.waiting_since = now;
    }
    call.starved = outcome.tokens == 0;
    if (call.starved && arena != nullptr) call.free_pages = arena->pages_total() - arena->pages_in_use();
    const bool done = call.remaining() == 0;
    if (!outcome.status.ok()) {
      stats.wasted_rows += outcome.wasted;
      if (outcome.status.error().code == ErrorCode::kCancelled) {
        ++(call.decodes() ? stats.cancelled_decode : stats.cancelled_prompt);
      }
      finish(call, std::move(outcome.status));
    } else if (outcome.tokens > 0 && (call.hooks->progress || !call.kept_rows.empty())) {
      call.phase = Call::Phase::kNews;
      call.wake->notify_one();
    } else if (done) {
      finish(call, {});
    }
  }
}

// Of the calls of one thread the one to see to next: what has news, then what may go into a step. Null: all are done.
Engine::Call* Engine::State::most_urgent(std::span<Call* const> calls) {
  using Phase = Call::Phase;
  Call* found = nullptr;
  for (Call* call : calls) {
    if (call->phase == Phase::kDone) continue;
    if (call->phase == Phase::kNews) return call;
    if (found == nullptr || (call->phase == Phase::kReady && found->phase != Phase::kReady)) found = call;
  }
  return found;
}

Status Engine::run(Call& call) {
  Call* one = &call;
  run({&one, 1});
  return std::move(call.status);
}

void Engine::run(std::span<Call* const> calls) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  for (Call* call : calls) {
    call->wake = &calls.front()->own_wake;
    s.arrive(*call);
  }
  using Phase = Call::Phase;
  while (Call* call = State::most_urgent(calls)) {
    if (call->phase == Phase::kNews) {
      lock.unlock();
      Status handed = call->hand_over();
      lock.lock();
      if (!handed.ok() || call->remaining() == 0) {
        s.finish(*call, std::move(handed));
      } else {
        call->phase = Phase::kReady;
        s.arrived.notify_one();
      }
    } else if (!s.leading && s.n_exclusive == 0 && call->phase == Phase::kReady) {
      s.take_lead();
      s.lead(lock);
      s.leading = false;
      const Call* next = State::most_urgent(calls);
      if (next == nullptr || next->phase != Phase::kReady || s.n_exclusive > 0) s.pass_on();
    } else {
      call->wake->wait_for(lock, kPoll);
      if (call->phase == Phase::kReady) s.drop_hopeless();
    }
  }
}

Engine::Exclusive::Exclusive(Engine& engine) : engine_(engine) {
  State& s = *engine_.state_;
  std::unique_lock lock(s.mutex);
  ++s.n_exclusive;
  s.arrived.notify_one();
  s.led.wait(lock, [&] { return !s.leading; });
  --s.n_exclusive;
  s.take_lead();
}

Engine::Exclusive::~Exclusive() {
  State& s = *engine_.state_;
  const std::lock_guard lock(s.mutex);
  s.leading = false;
  s.pass_on();
}

}  // namespace kedge::engine
