#include "engine/grammar/token_table.h"

#include <algorithm>
#include <bitset>
#include <chrono>

#include "engine/grammar/lookahead.h"

namespace kedge::engine::grammar {
namespace {

constexpr uint32_t kNever = Automaton::kNever;

uint32_t sum(uint32_t a, uint32_t b) { return std::min(kNever, a + b); }
void set_bit(TokenBits bits, int32_t token) {
  bits[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
}
void set_bits(TokenBits bits, std::span<const int32_t> tokens) {
  for (const int32_t token : tokens) set_bit(bits, token);
}

// The encodings of all characters beyond ASCII (Unicode 15, table 3-7).
using Bytes = std::array<uint8_t, 2>;
const std::vector<std::vector<Bytes>>& characters() {
  static const std::vector<std::vector<Bytes>> kTable = {
      {{0xc2, 0xdf}, {0x80, 0xbf}},
      {{0xe0, 0xe0}, {0xa0, 0xbf}, {0x80, 0xbf}},
      {{0xe1, 0xec}, {0x80, 0xbf}, {0x80, 0xbf}},
      {{0xed, 0xed}, {0x80, 0x9f}, {0x80, 0xbf}},
      {{0xee, 0xef}, {0x80, 0xbf}, {0x80, 0xbf}},
      {{0xf0, 0xf0}, {0x90, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}},
      {{0xf1, 0xf3}, {0x80, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}},
      {{0xf4, 0xf4}, {0x80, 0x8f}, {0x80, 0xbf}, {0x80, 0xbf}},
  };
  return kTable;
}

Error too_ambiguous() {
  return {ErrorCode::kCapacity, "the grammar is too ambiguous or nested too deep: more than " +
                                    std::to_string(Matcher::kMaxItems) + " ways to read the text so far, or " +
                                    std::to_string(Matcher::kMaxFrames) + " open rules"};
}

}  // namespace

TokenTable::TokenTable(const Automaton& automaton, const Vocabulary& vocabulary)
    : automaton_(automaton), vocabulary_(vocabulary) {
  size_t longest = vocabulary.longest();
  for (const std::string& text : vocabulary.special_texts()) longest = std::max(longest, text.size());
  class_ = alike_within(automaton, longest);
  for (uint32_t s = 0; s < class_.size(); ++s) {
    if (class_[s] == first_.size()) first_.push_back(s);
  }
  loops_.reserve(first_.size());
  for (const uint32_t s : first_) loops_.push_back(find_loop(s));
  known_ = std::vector<std::atomic<const StateTokens*>>(first_.size());
}

TokenTable::~TokenTable() {
  for (auto& state : known_) delete state.load(std::memory_order_relaxed);
}

TokenTable::Loop TokenTable::find_loop(uint32_t state) const {
  Loop loop;
  const auto edges = automaton_.edges(state);
  const auto itself = [&](const ByteEdge& e) { return class_[e.to] == class_[state]; };
  if (!automaton_.plain(state) || std::none_of(edges.begin(), edges.end(), itself)) return loop;
  uint64_t others = 0;
  for (unsigned byte = 0; byte < 0x80; ++byte) {
    const uint64_t of = Vocabulary::byte_class(static_cast<uint8_t>(byte));
    const uint32_t to = automaton_.next(state, static_cast<uint8_t>(byte));
    (to != Automaton::kNone && class_[to] == class_[state] ? loop.classes : others) |= of;
  }
  loop.classes &= ~others;
  uint32_t cost = 0;
  const bool all = std::all_of(characters().begin(), characters().end(),
                               [&](const auto& ranges) { return returns(state, ranges, state, cost); });
  if (!all) return loop;
  loop.classes |= Vocabulary::kCharacters;
  loop.cost = cost;
  return loop;
}

// Whether all bytes of these ranges lead back to `to`, and the most that is left to the call's end on the way.
bool TokenTable::returns(uint32_t from, std::span<const Bytes> ranges, uint32_t to, uint32_t& cost) const {
  if (ranges.empty()) return class_[from] == class_[to];
  if (from != to && !automaton_.plain(from)) return false;
  cost = std::max(cost, automaton_.cost(from));
  unsigned at = ranges[0][0];
  for (const ByteEdge& e : automaton_.edges(from)) {
    if (e.last < at) continue;
    if (e.first > at) return false;
    if (!returns(e.to, ranges.subspan(1), to, cost)) return false;
    at = e.last + 1u;
    if (at > ranges[0][1]) return true;
  }
  return false;
}

// Goes through nodes of the vocabulary from `first` on that can be read at the matcher's place, which is that of a
// prefix of `above` bytes. `below(node, item)` may take all tokens at and below a node at once, where all that comes
// leads back to the same state; otherwise `own(node)` is asked for each.
template <class Own, class Below>
Status TokenTable::walk(Matcher& at, uint32_t first, uint32_t last, unsigned above, Own own, Below below) const {
  const size_t base = at.depth();
  for (uint32_t n = first; n < last;) {
    const Vocabulary::Node& node = vocabulary_.node(n);
    at.pop(at.depth() - (base + node.depth - above - 1));
    if (!at.step(node.byte)) {
      if (at.full()) return too_ambiguous();
      n = node.behind;
      continue;
    }
    const auto items = at.items();
    if (items.size() == 1 && automaton_.plain(items[0].state) &&
        (node.contents & ~loops_[class_[items[0].state]].classes) == 0 && below(n, items[0])) {
      n = node.behind;
      continue;
    }
    own(n);
    n = items.empty() ? node.behind : n + 1;
  }
  at.pop(at.depth() - base);
  return {};
}

Result<std::unique_ptr<StateTokens>> TokenTable::work_out(uint32_t state) const {
  auto out = std::make_unique<StateTokens>();
  out->bits.assign(token_words(vocabulary_.n_vocab()), 0);
  size_t n_tokens = 0;
  Matcher at(automaton_);
  at.begin_at(state);
  const auto take = [&](std::span<const int32_t> tokens, uint32_t cost) {
    set_bits(out->bits, tokens);
    n_tokens += tokens.size();
    out->most_cost = std::max(out->most_cost, cost);
  };
  KEDGE_TRY(walk(
      at, 1, static_cast<uint32_t>(vocabulary_.n_nodes()), 0,
      [&](uint32_t n) {
        if (at.may_end() && !vocabulary_.is_leaf(n)) out->exits.push_back(n);
        const uint32_t cost = at.cost();
        if (cost < kNever && !vocabulary_.own(n).empty()) take(vocabulary_.own(n), cost);
      },
      [&](uint32_t n, Matcher::Item item) {
        uint32_t cost = at.cost(item);
        if (cost >= kNever) return true;  // it never ends: none of them
        if ((vocabulary_.node(n).contents & Vocabulary::kCharacters) != 0) {
          cost = std::max(cost, sum(loops_[class_[item.state]].cost, at.frame_cost(item.frame)));
          if (cost >= kNever) return false;
        }
        take(vocabulary_.below(n), cost);
        return true;
      }));
  if (automaton_.open(state)) {
    for (uint32_t label = 0; label < vocabulary_.special_texts().size(); ++label) {
      const int32_t token = vocabulary_.special_token(label);
      const uint32_t to = automaton_.next(state, vocabulary_.special_texts()[label]);
      if (to == Automaton::kNone || automaton_.cost(to) >= kNever || vocabulary_.is_end(token)) continue;
      take(std::span(&token, 1), automaton_.cost(to));
    }
  }
  if (n_tokens < 2 * out->bits.size()) {
    out->few.reserve(n_tokens);
    for (size_t id = 0; id < vocabulary_.n_vocab(); ++id) {
      if (token_allowed(out->bits, id)) out->few.push_back(static_cast<int32_t>(id));
    }
    out->bits = {};
  }
  out->exits.shrink_to_fit();
  return out;
}

Result<const StateTokens*> TokenTable::get(uint32_t state, std::unique_ptr<const StateTokens>& hold) const {
  std::atomic<const StateTokens*>& place = known_[class_[state]];
  if (const StateTokens* known = place.load(std::memory_order_acquire)) return known;
  KEDGE_ASSIGN(made, work_out(first_[class_[state]]));
  const size_t size = made->bytes();
  const StateTokens* pointer = made.get();
  if (bytes_.fetch_add(size, std::memory_order_relaxed) + size <= kMaxBytes) {
    const StateTokens* other = nullptr;
    if (place.compare_exchange_strong(other, pointer, std::memory_order_acq_rel)) {
      made.release();
      return pointer;
    }
  }
  bytes_.fetch_sub(size, std::memory_order_relaxed);
  hold = std::move(made);
  return pointer;
}

void TokenTable::prepare(double ms) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double, std::milli>(ms);
  std::vector<bool> seen(automaton_.n_states(), false);
  std::vector<uint32_t> queue;
  const auto reach = [&](uint32_t s) {
    if (seen[s]) return;
    seen[s] = true;
    queue.push_back(s);
  };
  reach(automaton_.start(0));
  for (size_t i = 0; i < queue.size() && Clock::now() < end; ++i) {
    std::unique_ptr<const StateTokens> hold;
    const auto known = get(queue[i], hold);
    if (!known.ok() || hold != nullptr) return;  // fill() says what is wrong, if it comes there
    for (const ByteEdge& e : automaton_.edges(queue[i])) reach(e.to);
    for (const Jump& j : automaton_.calls(queue[i])) {
      reach(automaton_.start(j.label));
      reach(j.to);
    }
  }
}

Status TokenTable::fill(Matcher& at, size_t left, TokenBits out) const {
  if (at.may_end()) set_bits(out, vocabulary_.ends());
  if (left == 0) return {};
  const auto limit = static_cast<uint32_t>(std::min<size_t>(left, kNever) - 1);
  std::vector<std::unique_ptr<const StateTokens>> holds(at.items().size());
  std::vector<const StateTokens*> known(at.items().size());
  bool all_end_in_time = true;
  for (size_t i = 0; i < known.size(); ++i) {
    const Matcher::Item item = at.items()[i];
    KEDGE_ASSIGN(tokens, get(item.state, holds[i]));
    known[i] = tokens;
    all_end_in_time &= sum(tokens->most_cost, at.frame_cost(item.frame)) <= limit;
  }
  fill_specials(at, limit, out);
  if (!all_end_in_time) return fill_all(at, limit, out);
  for (const StateTokens* tokens : known) {
    set_bits(out, tokens->few);
    for (size_t w = 0; w < tokens->bits.size(); ++w) out[w] |= tokens->bits[w];
  }
  return fill_exits(at, known, limit, out);
}

// What goes on behind the ends of the innermost calls, in their callers.
Status TokenTable::fill_exits(Matcher& at, std::span<const StateTokens* const> known, uint32_t limit,
                              TokenBits out) const {
  const std::vector<Matcher::Item> items(at.items().begin(), at.items().end());
  const auto own = [&](uint32_t n) {
    if (at.cost() <= limit) set_bits(out, vocabulary_.own(n));
  };
  const auto below = [&](uint32_t n, Matcher::Item item) { return fill_below(at, n, item, limit, out); };
  for (size_t i = 0; i < items.size(); ++i) {
    if (known[i]->exits.empty() || items[i].frame == 0) continue;
    at.step_out(items[i].frame);
    std::bitset<256> begins;
    for (const Matcher::Item& item : at.items()) {
      for (const ByteEdge& e : automaton_.edges(item.state)) {
        for (unsigned byte = e.first; byte <= e.last; ++byte) begins.set(byte);
      }
    }
    for (const uint32_t exit : known[i]->exits) {
      const Vocabulary::Node& node = vocabulary_.node(exit);
      for (uint32_t n = exit + 1; n < node.behind; n = vocabulary_.node(n).behind) {
        if (begins[vocabulary_.node(n).byte]) {
          KEDGE_TRY(walk(at, n, vocabulary_.node(n).behind, node.depth, own, below));
        }
      }
    }
    at.pop();
  }
  return {};
}

bool TokenTable::fill_below(const Matcher& at, uint32_t n, Matcher::Item item, uint32_t limit, TokenBits out) const {
  uint32_t cost = at.cost(item);
  if ((vocabulary_.node(n).contents & Vocabulary::kCharacters) != 0) {
    cost = std::max(cost, sum(loops_[class_[item.state]].cost, at.frame_cost(item.frame)));
  }
  if (cost > limit) return false;
  set_bits(out, vocabulary_.below(n));
  return true;
}

// When few tokens are left: every one is looked at, and how long a way it leaves.
Status TokenTable::fill_all(Matcher& at, uint32_t limit, TokenBits out) const {
  const auto own = [&](uint32_t n) {
    if (at.cost() <= limit) set_bits(out, vocabulary_.own(n));
  };
  const auto below = [&](uint32_t n, Matcher::Item item) { return fill_below(at, n, item, limit, out); };
  return walk(at, 1, static_cast<uint32_t>(vocabulary_.n_nodes()), 0, own, below);
}

void TokenTable::fill_specials(Matcher& at, uint32_t limit, TokenBits out) const {
  std::vector<uint32_t> labels;
  for (const Matcher::Item& item : at.items()) {
    for (const Jump& jump : automaton_.specials(item.state)) labels.push_back(jump.label);
  }
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  for (const uint32_t label : labels) {
    if (!at.step_special(label, vocabulary_.special_texts()[label])) continue;
    if (at.cost() <= limit) set_bit(out, vocabulary_.special_token(label));
    at.pop();
  }
}

}  // namespace kedge::engine::grammar
