#include "engine/prefix_cache.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "engine/sequence.h"
#include "kernels/base/json.h"
#include "memory/checksum.h"

namespace kedge::engine {

namespace {

constexpr size_t kBlock = kPageTokens;

Status in_range(const char* name, int value, int most) {
  if (value >= 1 && value <= most) return {};
  return Error{ErrorCode::kInvalidArgument, "prefix cache: " + std::string(name) + " is " + std::to_string(value) +
                                                ", must be 1 to " + std::to_string(most)};
}

struct Entry {
  std::shared_ptr<const KvMemory> memory;
  std::vector<int32_t> tokens;
  std::vector<float> logits;   // of the last token; empty: not known
  std::vector<uint64_t> keys;  // that lead to it
  std::string adapters;        // identity() of those it was computed with
  uint64_t seen = 0;           // by the lookup of this number
};

// What a request asks for: tokens, read with these adapters (identity()).
struct Wanted {
  std::span<const int32_t> tokens;
  std::string_view adapters;
};

struct Match {
  std::shared_ptr<const Entry> entry;
  size_t n = 0;             // tokens taken
  bool same_state = false;  // the entry as it is; otherwise a clean prefix
  bool logits = false;
};

}  // namespace

uint64_t prefix_hash(uint64_t before, std::span<const int32_t> block) {
  return checksum(block.data(), block.size_bytes(), before);
}

struct PrefixCache::State {
  using Order = std::list<std::shared_ptr<Entry>>;

  std::shared_ptr<Engine> engine;
  SessionOptions options;
  size_t most_entries = 0;
  PrefixHash hash = nullptr;
  uint64_t seed = 0;
  std::unique_ptr<const KvMemory> root;  // without tokens: every session begins as its fork

  mutable std::mutex mutex;  // of what follows
  Order order;               // latest used first
  std::unordered_map<uint64_t, std::vector<Order::iterator>> index;
  PrefixCacheStats stats;

  // By the number of whole blocks.
  std::vector<uint64_t> chain(const Wanted& wanted) const {
    const auto& [tokens, adapters] = wanted;
    std::vector<uint64_t> keys = {adapters.empty() ? seed : checksum(adapters.data(), adapters.size(), seed)};
    for (size_t at = 0; at + kBlock <= tokens.size(); at += kBlock) {
      keys.push_back(hash(keys.back(), tokens.subspan(at, kBlock)));
    }
    return keys;
  }
  // Of a state that has been retained in a certain way.
  static uint64_t state_key(uint64_t key, uint64_t origin) { return checksum(&origin, sizeof origin, key ^ origin); }

  void consider(const Order::iterator& at, const Wanted& wanted, const KvMemory& beginning, Match* best,
                Order::iterator* best_at) const;
  Match find(const Wanted& wanted, const KvMemory& beginning);
  Order::iterator same(const Entry& added);
  bool is_usable(const KvMemory& memory) const { return is_clean(memory) || memory.origin() != 0; }
  bool is_clean(const KvMemory& memory) const { return root->usable(memory, memory.sequence().next_position()) > 0; }
  void add(std::shared_ptr<const KvMemory> memory, const Wanted& of, std::vector<float> logits);
  std::shared_ptr<Entry> take_out(Order::iterator at);
  bool drop_oldest();
};

// What of the request's beginning this entry has.
void PrefixCache::State::consider(const Order::iterator& at, const Wanted& wanted, const KvMemory& beginning,
                                  Match* best, Order::iterator* best_at) const {
  const std::span<const int32_t> tokens = wanted.tokens;
  const uint64_t origin = beginning.origin();
  const Entry& e = **at;
  if (e.adapters != wanted.adapters) return;
  const size_t most = std::min(e.tokens.size(), tokens.size());
  const auto shared = static_cast<size_t>(
      std::mismatch(e.tokens.begin(), e.tokens.begin() + static_cast<std::ptrdiff_t>(most), tokens.begin()).first -
      e.tokens.begin());
  const bool whole = shared == e.tokens.size();
  const bool to_the_end = whole && shared == tokens.size();
  Match m;
  m.logits = to_the_end && !e.logits.empty();
  m.same_state = whole && (!to_the_end || m.logits) && origin != 0 && e.memory->origin() == origin;
  if (m.same_state) {
    m.n = shared;
  } else {
    const size_t most_taken = m.logits ? shared : std::min(shared, tokens.size() - 1);
    m.n = static_cast<size_t>(beginning.usable(*e.memory, static_cast<int>(most_taken)));
    m.logits = m.logits && m.n == shared;
  }
  if (m.n < best->n || (m.n == best->n && (best->same_state || !m.same_state))) return;
  m.entry = *at;
  *best = std::move(m);
  *best_at = at;
}

Match PrefixCache::State::find(const Wanted& wanted, const KvMemory& beginning) {
  const uint64_t origin = beginning.origin();
  const std::vector<uint64_t> keys = chain(wanted);
  const std::lock_guard lock(mutex);
  const uint64_t number = ++stats.lookups;
  Match best;
  Order::iterator best_at = order.end();
  // An entry that shares at least b blocks is found under the key of b blocks: the longest beginnings come first.
  for (size_t b = keys.size(); b-- > 0 && best.n < (b + 1) * kBlock - 1;) {
    for (const uint64_t key : {keys[b], state_key(keys[b], origin)}) {
      const auto found = index.find(key);
      if (found == index.end()) continue;
      for (const Order::iterator at : found->second) {
        if (std::exchange((*at)->seen, number) != number) consider(at, wanted, beginning, &best, &best_at);
      }
    }
  }
  if (best.n > 0) {
    ++stats.hits;
    order.splice(order.begin(), order, best_at);
  }
  stats.tokens_reused += best.n;
  stats.tokens_computed += wanted.tokens.size() - best.n;
  return best;
}

// The mutex is held. The entry is destroyed where that is not so.
std::shared_ptr<Entry> PrefixCache::State::take_out(Order::iterator at) {
  for (const uint64_t key : (*at)->keys) {
    const auto found = index.find(key);
    if (found == index.end()) continue;  // two keys of it are equal
    std::erase(found->second, at);
    if (found->second.empty()) index.erase(found);
  }
  std::shared_ptr<Entry> entry = std::move(*at);
  order.erase(at);
  return entry;
}

bool PrefixCache::State::drop_oldest() {
  std::shared_ptr<Entry> oldest;
  const std::lock_guard lock(mutex);
  if (order.empty()) return false;
  oldest = take_out(std::prev(order.end()));
  ++stats.evicted_entries;
  return true;
}

// The same state, or the end. The mutex is held.
PrefixCache::State::Order::iterator PrefixCache::State::same(const Entry& added) {
  const auto found = index.find(added.keys.back());
  if (found == index.end()) return order.end();
  for (const Order::iterator at : found->second) {
    const Entry& e = **at;
    const bool alike = e.tokens == added.tokens && e.adapters == added.adapters;
    if (alike && e.memory->origin() == added.memory->origin()) return at;
  }
  return order.end();
}

PrefixCache::PrefixCache(std::shared_ptr<State> state) : state_(std::move(state)) {}
PrefixCache::~PrefixCache() = default;

Result<std::unique_ptr<PrefixCache>> PrefixCache::create(std::shared_ptr<const Model> model,
                                                         const SessionOptions& options, const PrefixCacheOptions& cache,
                                                         PrefixHash hash) {
  constexpr int kMostSessions = 512;
  KEDGE_TRY(in_range("sessions", cache.sessions, kMostSessions));
  KEDGE_TRY(check_context(options.n_ctx));
  const ModelConfig& c = model->config();
  const int n_ctx = options.n_ctx == 0 ? c.n_ctx_train : options.n_ctx;
  const int budget = options.kv.budget == 0 ? n_ctx : std::min(options.kv.budget, n_ctx);
  EngineOptions o;
  o.n_threads = options.n_threads;
  o.sequences = cache.sessions;
  o.step_tokens = std::min(options.chunk, std::max(budget, 1));
  o.kv_type = options.kv_type;
  o.numerics = options.numerics;
  // Twice: a session that has to copy shared pages holds both for a moment.
  const auto budgets = static_cast<size_t>(std::max(options.kv.forks, 2 * cache.sessions));
  KEDGE_ASSIGN(shape, kv_shape(c, options.kv_type, n_ctx, std::max(o.step_tokens, o.sequences)));
  const size_t pages =
      budgets * (shape.pages_for(budget, n_ctx) + static_cast<size_t>(shape.kept) * shape.copy_pages());
  KEDGE_ASSIGN(engine, Engine::with_pages(std::move(model), o, pages));
  SessionOptions shared = options;
  shared.n_threads = SessionOptions().n_threads;
  shared.chunk = SessionOptions().chunk;
  return create(std::move(engine), shared, cache, hash);
}

Result<std::unique_ptr<PrefixCache>> PrefixCache::create(std::shared_ptr<Engine> engine, const SessionOptions& given,
                                                         const PrefixCacheOptions& cache, PrefixHash hash) {
  KEDGE_TRY(in_range("entries", cache.entries, 1 << 20));
  KEDGE_ASSIGN(options, engine->session_options(given));
  KEDGE_ASSIGN(shape, kv_shape(engine->model()->config(), options.kv_type, options.n_ctx, options.chunk));
  KEDGE_ASSIGN(root, KvMemory::create(shape, options.kv, engine->kernels(), engine->arena()));
  auto state = std::make_shared<State>();
  state->options = options;
  state->options.kv = root->options();
  state->most_entries = static_cast<size_t>(cache.entries);
  state->hash = hash;
  const uint64_t made_with[] = {engine->model()->fingerprint(), static_cast<uint64_t>(options.numerics),
                                static_cast<uint64_t>(options.kv_type), root->retention()};
  state->seed = checksum(made_with, sizeof made_with);
  engine->add_reclaimer(state, [asked = std::weak_ptr<State>(state)] {
    const auto alive = asked.lock();
    return alive != nullptr && alive->drop_oldest();
  });
  state->engine = std::move(engine);
  state->root = std::move(root);
  return std::unique_ptr<PrefixCache>(new PrefixCache(std::move(state)));
}

Result<PrefixCache::Acquired> PrefixCache::acquire(std::span<const AdapterUse> adapters,
                                                   std::span<const int32_t> tokens, std::span<const Segment> segments) {
  if (tokens.empty()) return Error{ErrorCode::kInvalidArgument, "prefix cache: a request without tokens"};
  Acquired acquired;
  SessionOptions options = state_->options;
  KEDGE_ASSIGN(uses, checked_adapters(adapters, *state_->engine->model()));
  const std::string read_with = identity(uses);
  options.adapters = std::move(uses);
  KEDGE_ASSIGN(memory, state_->root->fork());
  KEDGE_ASSIGN(refused, memory->add_segments(segments));
  acquired.refused = std::move(refused);
  const bool announces = !segments.empty() && memory->shape().only_forward();
  const Match match = state_->find({tokens, read_with}, *memory);
  const auto first = tokens.first(match.n);
  if (match.same_state) {
    KEDGE_ASSIGN(copy, match.entry->memory->fork());
    memory = std::move(copy);
  }
  KEDGE_ASSIGN(session, state_->engine->adopt(options, std::move(memory)));
  Session::State& s = *session->state_;
  if (announces) s.announced.push_back({0, {segments.begin(), segments.end()}});
  if (match.n > 0 && !match.same_state) {
    s.read_texts(first);
    KEDGE_TRY(state_->engine->exclusively([&](const ThreadTeam&) {
      return s.memory->begin_with(*match.entry->memory, static_cast<int>(match.n), s.texts);
    }));
  }
  s.tokens.assign(first.begin(), first.end());
  if (match.logits) {
    s.last_logits = match.entry->logits;
    s.has_logits = true;
  }
  if (match.n > 0) {
    (void)state_->engine->exclusively([&](const ThreadTeam&) -> Status {
      s.keep(true);
      return {};
    });
  }
  acquired.n_reused = static_cast<int>(match.n);
  acquired.session = std::move(session);
  return acquired;
}

Result<bool> PrefixCache::store(const Session& session) {
  Session::State& s = *session.state_;
  const auto held = session.use();
  const KvMemory& memory = *s.memory;
  if (&memory.sequence().arena() != &state_->root->sequence().arena()) {
    return Error{ErrorCode::kInvalidArgument, "prefix cache: the session is none of this cache's"};
  }
  const ModelConfig& c = session.model().config();
  if (c.is_far(s.options.n_ctx) != c.is_far(state_->options.n_ctx)) {
    return Error{ErrorCode::kInvalidArgument, "prefix cache: a session of " + std::to_string(s.options.n_ctx) +
                                                  " tokens of context has other positions than those of this cache"};
  }
  const bool all_known = !s.tokens.empty() && s.tokens.size() == static_cast<size_t>(session.n_past());
  if (!all_known || !state_->is_usable(memory)) {
    const std::lock_guard lock(state_->mutex);
    ++state_->stats.declined;
    return false;
  }
  // Where a request goes another way before the end of these tokens, one that cannot be cut needs a state before it.
  std::vector<Session::State::Kept> kept;
  auto frozen = session.between_steps([&](const ThreadTeam&) {
    kept = s.kept;
    return memory.freeze();
  });
  if (!frozen.ok()) return std::move(frozen).error();
  const std::string read_with = identity(s.options.adapters);
  for (Session::State::Kept& k : kept) {
    if (k.position >= session.n_past() || !state_->is_usable(*k.memory)) continue;
    const auto first = std::span(s.tokens).first(static_cast<size_t>(k.position));
    state_->add(k.memory, {first, read_with}, std::move(k.logits));
  }
  state_->add(std::move(frozen).value(), {s.tokens, read_with}, s.has_logits ? s.last_logits : std::vector<float>());
  const std::lock_guard lock(state_->mutex);
  ++state_->stats.stored;
  return true;
}

void PrefixCache::State::add(std::shared_ptr<const KvMemory> memory, const Wanted& of, std::vector<float> logits) {
  auto entry = std::make_shared<Entry>();
  entry->tokens.assign(of.tokens.begin(), of.tokens.end());
  entry->adapters = of.adapters;
  entry->logits = std::move(logits);
  std::vector<uint64_t> keys = chain(of);
  const uint64_t of_state = state_key(keys.back(), memory->origin());
  if (is_clean(*memory)) entry->keys = std::move(keys);
  if (memory->origin() != 0) entry->keys.push_back(of_state);
  entry->memory = std::move(memory);

  std::vector<std::shared_ptr<Entry>> gone;  // destroyed without the mutex
  const std::lock_guard lock(mutex);
  if (const auto known = same(*entry); known != order.end()) {
    if (entry->logits.empty()) entry->logits = (*known)->logits;
    gone.push_back(take_out(known));
  }
  order.push_front(std::move(entry));
  const auto at = order.begin();
  for (const uint64_t key : (*at)->keys) index[key].push_back(at);
  while (order.size() > most_entries) {
    gone.push_back(take_out(std::prev(order.end())));
    ++stats.evicted_entries;
  }
}

PrefixCacheStats PrefixCache::stats() const {
  PrefixCacheStats stats;
  std::vector<std::shared_ptr<const Entry>> entries;
  {
    const std::lock_guard lock(state_->mutex);
    stats = state_->stats;
    entries.assign(state_->order.begin(), state_->order.end());
  }
  const KvArena& arena = state_->root->sequence().arena();
  std::unordered_set<const std::byte*> pages;
  std::unordered_set<const float*> states;
  for (const auto& e : entries) {
    const KvSequence& sequence = e->memory->sequence();
    for (int t = 0; t < sequence.n_tables(); ++t) {
      const auto slots = static_cast<size_t>(sequence.slots(t));
      pages.insert(sequence.table(t), sequence.table(t) + (slots + kPageTokens - 1) / kPageTokens);
      stats.bytes += slots * (sizeof(int32_t) + sizeof(uint32_t));
    }
    sequence.windows().each_page([&](size_t, const std::byte* page) { pages.insert(page); });
    if (sequence.has_state() && sequence.next_position() > 0) states.insert(sequence.state());
    stats.bytes += e->tokens.size() * sizeof(int32_t) + e->logits.size() * sizeof(float);
    stats.bytes += e->keys.size() * sizeof(uint64_t) + (e->memory->cold() ? e->memory->cold()->bytes() : 0);
  }
  stats.entries = entries.size();
  stats.bytes += (pages.size() + states.size() * arena.state_pages()) * arena.page_bytes();
  stats.pages_in_use = arena.pages_in_use();
  stats.pages_total = arena.pages_total();
  return stats;
}

std::string PrefixCache::stats_json() const {
  const PrefixCacheStats s = stats();
  const Json json = {{"lookups", s.lookups},
                     {"hits", s.hits},
                     {"tokens_reused", s.tokens_reused},
                     {"tokens_computed", s.tokens_computed},
                     {"stored", s.stored},
                     {"declined", s.declined},
                     {"entries", s.entries},
                     {"evicted_entries", s.evicted_entries},
                     {"bytes", s.bytes},
                     {"pages", {{"in_use", s.pages_in_use}, {"total", s.pages_total}}}};
  return json.dump();
}

const SessionOptions& PrefixCache::options() const { return state_->options; }

}  // namespace kedge::engine
