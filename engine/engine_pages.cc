// Pages: who gets them, and who gives them back when they run out. In this order: copies that sequences keep to go back
// to, entries of prefix caches (the arena asks for both by itself), sessions that nobody uses, and then the youngest
// call of the key that holds most.
#include <algorithm>
#include <filesystem>

#include "engine/engine_state.h"

namespace kedge::engine {

namespace {

std::string spill_directory(const EngineOptions& options) {
  if (!options.spill.empty()) return options.spill;
  std::error_code none;
  const auto directory = std::filesystem::temp_directory_path(none);
  return none ? "/tmp" : directory.string();
}

}  // namespace

Status Engine::State::swap_out(Session::State& sequence) {
  KEDGE_TRY(close(sequence));
  if (!spill) {
    KEDGE_ASSIGN(file, SpillFile::create(spill_directory(options), *arena));
    spill = std::move(file);
  }
  sequence.kept.clear();  // they would hold its pages
  KEDGE_TRY(sequence.memory->swap_out(*spill));
  const std::lock_guard lock(mutex);
  sequence.swapped_out = true;
  ++stats.paused;
  return {};
}

Status Engine::State::swap_in(Session::State& sequence) {
  if (!sequence.memory->swapped_out()) return {};
  KEDGE_TRY(sequence.memory->swap_in());
  const std::lock_guard lock(mutex);
  sequence.swapped_out = false;
  ++stats.resumed;
  return {};
}

// Of those whose last call is over, who has waited longest.
bool Engine::State::swap_out_idle(const Session::State& requester) {
  std::vector<Session::State*> idle;
  std::unique_lock lock(mutex);
  for (Session::State* s : sequences) {
    if (s == &requester || s->reserved > 0 || s->swapped_out || pages_of(*s) == 0) continue;
    idle.push_back(s);
  }
  std::sort(idle.begin(), idle.end(), [](const auto* a, const auto* b) { return a->last_used < b->last_used; });
  for (Session::State* s : idle) {
    // Taken while the mutex keeps it from being destroyed; its owner waits until this is over. One that waits to be
    // admitted is in use, by somebody who sleeps.
    const bool waits = std::any_of(waiters.begin(), waiters.end(), [&](const Waiter& w) { return w.sequence == s; });
    std::unique_lock held(s->in_use, std::defer_lock);
    if (!waits && !held.try_lock()) continue;
    lock.unlock();
    return swap_out(*s).ok();  // others may be gone by now
  }
  return false;
}

// Who gives way to whom: what its key has under way, in tokens, then the later arrival.
bool Engine::State::heavier(const Session::State& a, const Session::State& b) const {
  const auto weight = [&](const std::string& key) {
    int64_t tokens = 0;
    for (const Session::State* s : sequences) {
      if (s->key == key && s->ticket > 0) tokens += s->memory->sequence().next_position();
    }
    return tokens;
  };
  if (a.key != b.key) {
    const int64_t of_a = weight(a.key);
    const int64_t of_b = weight(b.key);
    if (of_a != of_b) return of_a > of_b;
  }
  return a.ticket > b.ticket;
}

// A call waits with its caller: its sequence is the leader's. The requester gives way itself when it is the heaviest.
bool Engine::State::pause_a_call(Session::State& requester) {
  std::unique_lock lock(mutex);
  Session::State* victim = nullptr;
  for (Call* call : calls) {
    Session::State& s = *call->sequence;
    // With news, its caller may be looking at it.
    if (s.swapped_out || pages_of(s) == 0 || call->phase == Call::Phase::kNews) continue;
    if (victim == nullptr || heavier(s, *victim)) victim = &s;
  }
  if (victim == nullptr || (victim != &requester && !heavier(*victim, requester))) return false;
  lock.unlock();
  // Alone with its pages, it would get no more of them by giving these away.
  if (victim == &requester && !others_may_free(requester)) return false;
  return swap_out(*victim).ok() && victim != &requester;
}

// Whether somebody with pages is on the way to its end.
bool Engine::State::others_may_free(const Session::State& requester) const {
  const std::lock_guard lock(mutex);
  return std::any_of(sequences.begin(), sequences.end(), [&](const Session::State* s) {
    const bool in_call = std::any_of(calls.begin(), calls.end(), [&](const Call* c) { return c->sequence == s; });
    return s != &requester && (s->reserved > 0 || in_call) && !s->swapped_out && pages_of(*s) > 0;
  });
}

bool Engine::State::reclaim() {
  std::vector<Reclaimer> all;
  {
    const std::lock_guard lock(mutex);
    all = reclaimers;
  }
  if (drop_kept()) return true;
  return std::any_of(all.begin(), all.end(), [](const Reclaimer& r) { return r.reclaim(); });
}

Engine::Relief Engine::State::relieve(Session::State& requester) {
  if (alone) return drop_kept() ? Relief::kMade : Relief::kNone;
  if (swap_out_idle(requester) || pause_a_call(requester)) return Relief::kMade;
  return others_may_free(requester) ? Relief::kLater : Relief::kNone;
}

size_t Engine::State::outstanding() const {
  const std::lock_guard lock(mutex);
  size_t all = 0;
  for (const Session::State* s : sequences) all += s->reserved - std::min(s->reserved, pages_of(*s));
  return all;
}

bool Engine::wait_for_relief(Session::State& sequence) {
  Relief relief = Relief::kNone;
  {
    const Exclusive alone_now(*this);
    relief = state_->relieve(sequence);
  }
  if (relief == Relief::kLater) {
    std::unique_lock lock(state_->mutex);
    state_->freed.wait_for(lock, std::chrono::milliseconds(1));
  }
  return relief != Relief::kNone;
}

// --- Admission ---

// Reserves the pages of a generation, or waits for them.
Status Engine::admit(Session::State& sequence, ExpectedTokens expected, const EvalHooks& hooks) {
  State& s = *state_;
  if (s.alone) return {};
  const auto start = std::chrono::steady_clock::now();
  uint64_t number = 0;
  {
    const std::lock_guard lock(s.mutex);
    if (s.waiters.size() >= static_cast<size_t>(s.options.waiting)) {
      ++s.stats.refused;
      return Error{ErrorCode::kCapacity, std::to_string(s.waiters.size()) +
                                             " calls are waiting for the engine, which is the limit: try again later"};
    }
    number = ++s.tickets;
    s.waiters.push_back({&sequence, hooks.key, number});
  }
  Status admitted = wait_for_pages(sequence, expected, number, hooks);
  const std::lock_guard lock(s.mutex);
  std::erase_if(s.waiters, [&](const State::Waiter& w) { return w.number == number; });
  s.freed.notify_all();
  if (admitted.ok()) {
    ++s.stats.admitted;
    s.stats.queue_ms.add(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  } else if (admitted.error().code == ErrorCode::kCapacity) {
    ++s.stats.refused;
  } else if (admitted.error().code == ErrorCode::kCancelled) {
    ++(hooks.deadline < std::chrono::steady_clock::now() ? s.stats.expired : s.stats.cancelled_waiting);
  }
  return admitted;
}

Status Engine::wait_for_pages(Session::State& sequence, ExpectedTokens expected, uint64_t number,
                              const EvalHooks& hooks) {
  State& s = *state_;
  constexpr std::chrono::milliseconds kPoll{20};
  for (;;) {
    {
      const Exclusive alone_now(*this);
      // With what a sequence that was paused has to get back.
      const size_t own = State::pages_of(sequence);
      const size_t need = sequence.memory->pages_needed(static_cast<int>(expected.reserved));
      const size_t most = sequence.memory->pages_needed(static_cast<int>(expected.most));
      const size_t total = s.arena->pages_total();
      if (own + most > total) {
        return Error{ErrorCode::kCapacity, std::to_string(expected.most) + " tokens need " +
                                               std::to_string(own + most) + " KV pages, the engine has " +
                                               std::to_string(total) +
                                               ": it can never fit; a shorter prompt, fewer max_tokens, a KV budget or "
                                               "more memory for the engine would"};
      }
      while (s.is_next(number)) {
        const size_t taken = s.arena->pages_in_use() + s.outstanding();
        if (taken + need <= total) {
          const std::lock_guard lock(s.mutex);
          sequence.reserved = own + need;
          sequence.ticket = number;
          sequence.key = hooks.key;
          sequence.weight = hooks.weight;
          return {};
        }
        if (!s.reclaim() && !s.swap_out_idle(sequence)) break;
      }
    }
    std::unique_lock lock(s.mutex);
    s.freed.wait_for(lock, kPoll);
    const bool cancelled = hooks.cancel != nullptr && hooks.cancel->load(std::memory_order_relaxed);
    if (cancelled || hooks.deadline < std::chrono::steady_clock::now()) {
      return Error{ErrorCode::kCancelled, "cancelled while waiting for the engine"};
    }
  }
}

// The key with the fewest generations under way comes first, within a key who came first.
bool Engine::State::is_next(uint64_t number) const {
  const std::lock_guard lock(mutex);
  const auto running = [&](std::string_view key) {
    return std::count_if(sequences.begin(), sequences.end(),
                         [&](const Session::State* other) { return other->reserved > 0 && other->key == key; });
  };
  const auto first = std::min_element(waiters.begin(), waiters.end(), [&](const auto& a, const auto& b) {
    const auto of_a = running(a.key);
    const auto of_b = running(b.key);
    return of_a != of_b ? of_a < of_b : a.number < b.number;
  });
  return first != waiters.end() && first->number == number;
}

void Engine::dismiss(Session::State& sequence) {
  State& s = *state_;
  if (s.alone) return;
  const std::lock_guard lock(s.mutex);
  sequence.reserved = 0;
  sequence.last_used = s.now;
  if (sequence.expected) --s.n_expected;
  sequence.expected = false;
  s.arrived.notify_one();
  s.freed.notify_all();
}

}  // namespace kedge::engine
