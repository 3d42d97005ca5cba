#include "engine/grammar/costs.h"

#include <algorithm>
#include <array>
#include <queue>
#include <tuple>

namespace kedge::engine::grammar {
namespace {

constexpr uint32_t kNone = Automaton::kNone;
constexpr uint32_t kNever = Automaton::kNever;

// Shortest texts in bytes, by Knuth's generalisation of Dijkstra's algorithm: a call is an edge that gets its length
// when its callee's start has one.
class ShortestTexts {
 public:
  struct Way {
    uint32_t to = kNone;      // kNone: the end is here
    uint32_t callee = kNone;  // kNone: a byte
    uint8_t byte = 0;
  };

  explicit ShortestTexts(const Automaton& automaton)
      : automaton_(automaton),
        lengths_(automaton.n_states(), kNever),
        ways_(automaton.n_states()),
        before_(automaton.n_states()),
        starts_(automaton.n_states(), kNone),
        sites_(automaton.n_callees()) {
    for (uint32_t s = 0; s < automaton.n_states(); ++s) {
      for (const ByteEdge& e : automaton.edges(s)) before_[e.to].push_back({s, kNone, printable(e)});
      for (const Jump& j : automaton.calls(s)) {
        before_[j.to].push_back({s, j.label, 0});
        sites_[j.label].push_back({s, j.to});
      }
      if (automaton.accepting(s)) relax(s, 0, {});
    }
    for (uint32_t c = 0; c < automaton.n_callees(); ++c) starts_[automaton.start(c)] = c;
    run();
  }

  uint32_t length(uint32_t s) const { return lengths_[s]; }
  const Way& way(uint32_t s) const { return ways_[s]; }
  // States in the order of their lengths, those on a way before those that lead to them.
  const std::vector<uint32_t>& order() const { return order_; }

 private:
  struct Before {
    uint32_t state;
    uint32_t callee;
    uint8_t byte;
  };
  struct Site {
    uint32_t state;
    uint32_t to;
  };

  static uint8_t printable(const ByteEdge& e) { return e.first < 0x20 && e.last >= 0x20 ? 0x20 : e.first; }

  void relax(uint32_t s, uint32_t length, Way way) {
    if (length >= lengths_[s]) return;
    lengths_[s] = length;
    ways_[s] = way;
    queue_.emplace(length, ++n_queued_, s);
  }

  void run() {
    std::vector<bool> settled(lengths_.size(), false);
    while (!queue_.empty()) {
      const uint32_t s = std::get<2>(queue_.top());
      queue_.pop();
      if (settled[s]) continue;
      settled[s] = true;
      order_.push_back(s);
      for (const Before& b : before_[s]) {
        if (b.callee == kNone) {
          relax(b.state, lengths_[s] + 1, {s, kNone, b.byte});
        } else if (const uint32_t start = automaton_.start(b.callee); settled[start]) {
          relax(b.state, lengths_[s] + lengths_[start], {s, b.callee, 0});
        }
      }
      if (starts_[s] == kNone) continue;
      for (const Site& site : sites_[starts_[s]]) {
        if (settled[site.to]) relax(site.state, lengths_[site.to] + lengths_[s], {site.to, starts_[s], 0});
      }
    }
  }

  const Automaton& automaton_;
  std::vector<uint32_t> lengths_;
  std::vector<Way> ways_;
  std::vector<std::vector<Before>> before_;
  std::vector<uint32_t> starts_;  // the callee that begins at a state
  std::vector<std::vector<Site>> sites_;
  std::vector<uint32_t> order_;
  size_t n_queued_ = 0;
  std::priority_queue<std::tuple<uint32_t, size_t, uint32_t>, std::vector<std::tuple<uint32_t, size_t, uint32_t>>,
                      std::greater<>>
      queue_;
};

// A few tokens of each length, of small letters or of digits: where any characters will do, a text of them is shorter
// in tokens than the one that is shortest in bytes.
std::vector<std::string_view> handy_tokens(const Vocabulary& vocabulary) {
  constexpr size_t kLongest = 16;
  constexpr size_t kEach = 3;
  std::array<std::array<size_t, kLongest + 1>, 2> taken{};
  std::vector<std::string_view> words;
  for (const int32_t token : vocabulary.below(0)) {
    const std::string_view piece = vocabulary.tokenizer().piece(token);
    if (piece.size() < 2 || piece.size() > kLongest) continue;
    const bool letters = std::all_of(piece.begin(), piece.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    const bool digits = std::all_of(piece.begin(), piece.end(), [](char c) { return c >= '0' && c <= '9'; });
    if ((letters || digits) && taken[letters ? 0 : 1][piece.size()]++ < kEach) words.push_back(piece);
  }
  return words;
}

}  // namespace

void find_costs(Automaton& automaton, const Vocabulary& vocabulary) {
  const ShortestTexts texts(automaton);
  std::vector<uint32_t> costs(automaton.n_states(), kNever);
  const auto sum = [](uint32_t a, uint32_t b) { return std::min(kNever, a + b); };
  const std::vector<std::string_view> handy = handy_tokens(vocabulary);
  constexpr uint32_t kLong = 16;  // bytes; below that there is little to gain
  for (const uint32_t s : texts.order()) {
    const auto& way = texts.way(s);
    if (way.to == kNone) {
      costs[s] = 0;
    } else if (way.callee != kNone) {
      costs[s] = sum(costs[automaton.start(way.callee)], costs[way.to]);
    } else {
      // The fewest tokens along the bytes of the way: all of it is known behind its first byte.
      uint32_t node = 0;
      for (uint32_t at = s; texts.way(at).to != kNone && texts.way(at).callee == kNone;) {
        node = vocabulary.child(node, texts.way(at).byte);
        if (node == 0) break;
        at = texts.way(at).to;
        if (!vocabulary.own(node).empty()) costs[s] = std::min(costs[s], sum(1, costs[at]));
      }
      for (size_t i = 0; texts.length(s) >= kLong && i < handy.size(); ++i) {
        const uint32_t to = automaton.next(s, handy[i]);
        if (to != kNone) costs[s] = std::min(costs[s], sum(1, costs[to]));
      }
    }
  }
  automaton.set_costs(std::move(costs));
}

}  // namespace kedge::engine::grammar
