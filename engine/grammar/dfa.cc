#include "engine/grammar/dfa.h"

#include <algorithm>
#include <string>
#include <unordered_map>

namespace kedge::engine::grammar {
namespace {

struct VectorHash {
  size_t operator()(const std::vector<uint32_t>& v) const {
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (const uint32_t x : v) h = (h ^ x) * 0x100000001b3u + (h >> 29);
    return static_cast<size_t>(h);
  }
};

// Sets of NFA states, numbered in the order they are found.
class Subsets {
 public:
  Subsets(const Nfa& nfa, CompileBudget& budget) : nfa_(nfa), budget_(budget), seen_(nfa.states.size(), 0) {}

  // The number of the set of all that can be reached from these without a byte.
  uint32_t number(const std::vector<uint32_t>& of) {
    ++stamp_;
    closed_.clear();
    for (const uint32_t s : of) add(s);
    for (size_t i = 0; i < closed_.size(); ++i) {
      for (const uint32_t to : nfa_.states[closed_[i]].empty) add(to);
    }
    budget_.work += closed_.size();
    std::sort(closed_.begin(), closed_.end());
    const auto [found, added] = numbers_.try_emplace(closed_, static_cast<uint32_t>(sets_.size()));
    if (added) sets_.push_back(&found->first);
    return found->second;
  }
  size_t size() const { return sets_.size(); }
  const std::vector<uint32_t>& operator[](size_t i) const { return *sets_[i]; }

 private:
  void add(uint32_t s) {
    if (seen_[s] == stamp_) return;
    seen_[s] = stamp_;
    closed_.push_back(s);
  }

  const Nfa& nfa_;
  CompileBudget& budget_;
  std::vector<uint32_t> seen_;
  uint32_t stamp_ = 0;
  std::vector<uint32_t> closed_;
  std::unordered_map<std::vector<uint32_t>, uint32_t, VectorHash> numbers_;
  std::vector<const std::vector<uint32_t>*> sets_;
};

void push_edge(std::vector<ByteEdge>& edges, ByteEdge edge) {
  if (!edges.empty() && edges.back().to == edge.to && edges.back().last + 1 == edge.first) {
    edges.back().last = edge.last;
  } else {
    edges.push_back(edge);
  }
}

// The edges of several states together, cut where one of them begins or ends.
std::vector<ByteEdge> merged(std::vector<ByteEdge>& edges, Subsets& subsets) {
  std::vector<uint16_t> cuts;
  for (const ByteEdge& e : edges) {
    cuts.push_back(e.first);
    cuts.push_back(static_cast<uint16_t>(e.last + 1));
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  std::vector<ByteEdge> out;
  std::vector<uint32_t> to;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    to.clear();
    for (const ByteEdge& e : edges) {
      if (e.first <= cuts[i] && cuts[i] <= e.last) to.push_back(e.to);
    }
    if (to.empty()) continue;
    push_edge(out, {static_cast<uint8_t>(cuts[i]), static_cast<uint8_t>(cuts[i + 1] - 1), subsets.number(to)});
  }
  return out;
}

std::vector<Jump> merged(std::vector<Jump>& jumps, Subsets& subsets) {
  std::sort(jumps.begin(), jumps.end());
  std::vector<Jump> out;
  for (size_t i = 0; i < jumps.size();) {
    std::vector<uint32_t> to;
    const uint32_t label = jumps[i].label;
    for (; i < jumps.size() && jumps[i].label == label; ++i) to.push_back(jumps[i].to);
    out.push_back({label, subsets.number(to)});
  }
  return out;
}

}  // namespace

Status CompileBudget::status() const {
  const auto over = [](const char* what, size_t limit) {
    return Error{ErrorCode::kCapacity, "the grammar takes more than " + std::to_string(limit) + " " + what};
  };
  if (nfa_states > kMaxNfaStates) return over("parts when its repetitions are written out", kMaxNfaStates);
  if (states > kMaxStates) return over("states", kMaxStates);
  if (work > kMaxWork) return over("steps to compile", kMaxWork);
  return {};
}

Result<Dfa> determinise(const Nfa& nfa, CompileBudget& budget) {
  Subsets subsets(nfa, budget);
  Dfa dfa;
  subsets.number({nfa.start});
  for (size_t i = 0; i < subsets.size(); ++i) {
    ++budget.states;
    KEDGE_TRY(budget.status());
    Dfa::State state;
    std::vector<ByteEdge> edges;
    std::vector<Jump> calls;
    std::vector<Jump> specials;
    for (const uint32_t s : subsets[i]) {
      const Nfa::State& from = nfa.states[s];
      edges.insert(edges.end(), from.edges.begin(), from.edges.end());
      calls.insert(calls.end(), from.calls.begin(), from.calls.end());
      specials.insert(specials.end(), from.specials.begin(), from.specials.end());
      state.accepting |= s == nfa.final;
      state.open |= from.open;
    }
    budget.work += edges.size() + calls.size();
    state.edges = merged(edges, subsets);
    state.calls = merged(calls, subsets);
    state.specials = merged(specials, subsets);
    dfa.states.push_back(std::move(state));
  }
  return dfa;
}

Result<Dfa> product(const Dfa& a, const Dfa& b, bool without, CompileBudget& budget) {
  constexpr uint32_t kDead = ~uint32_t{0};  // of `b`, beside its states
  Dfa out;
  if (a.states.empty()) return out;
  std::unordered_map<uint64_t, uint32_t> numbers;
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  const auto number = [&](uint32_t x, uint32_t y) {
    const auto [found, added] = numbers.try_emplace(uint64_t{x} << 32 | y, static_cast<uint32_t>(pairs.size()));
    if (added) pairs.emplace_back(x, y);
    return found->second;
  };
  number(0, b.states.empty() ? kDead : 0);
  for (size_t i = 0; i < pairs.size(); ++i) {
    ++budget.states;
    KEDGE_TRY(budget.status());
    const auto [x, y] = pairs[i];
    static const Dfa::State kNothing;
    const Dfa::State& left = a.states[x];
    const Dfa::State& right = y == kDead ? kNothing : b.states[y];
    Dfa::State state;
    state.accepting = left.accepting && right.accepting != without;
    for (const ByteEdge& e : left.edges) {
      unsigned at = e.first;
      for (const ByteEdge& f : right.edges) {
        if (f.last < at || f.first > e.last) continue;
        if (f.first > at && without) {
          push_edge(state.edges, {static_cast<uint8_t>(at), static_cast<uint8_t>(f.first - 1), number(e.to, kDead)});
        }
        at = std::max<unsigned>(at, f.first);
        const auto last = std::min(e.last, f.last);
        push_edge(state.edges, {static_cast<uint8_t>(at), last, number(e.to, f.to)});
        at = last + 1u;
      }
      if (at <= e.last && without) push_edge(state.edges, {static_cast<uint8_t>(at), e.last, number(e.to, kDead)});
    }
    out.states.push_back(std::move(state));
  }
  return out;
}

namespace {

template <class F>
void for_each_target(const Dfa::State& state, F f) {
  for (const ByteEdge& e : state.edges) f(e.to);
  for (const Jump& j : state.calls) f(j.to);
  for (const Jump& j : state.specials) f(j.to);
}

std::vector<std::vector<uint32_t>> predecessors(const Dfa& dfa) {
  std::vector<std::vector<uint32_t>> before(dfa.states.size());
  for (uint32_t s = 0; s < dfa.states.size(); ++s) {
    for_each_target(dfa.states[s], [&](uint32_t to) {
      if (before[to].empty() || before[to].back() != s) before[to].push_back(s);
    });
  }
  return before;
}

// Keeps the states that have a number, under it; edges to others go.
void renumber(Dfa& dfa, const std::vector<uint32_t>& number, size_t n) {
  constexpr uint32_t kGone = ~uint32_t{0};
  Dfa out;
  out.states.resize(n);
  std::vector<bool> done(n, false);
  for (uint32_t s = 0; s < dfa.states.size(); ++s) {
    if (number[s] == kGone || done[number[s]]) continue;
    done[number[s]] = true;
    Dfa::State& from = dfa.states[s];
    Dfa::State& to = out.states[number[s]];
    to.accepting = from.accepting;
    to.open = from.open;
    for (const ByteEdge& e : from.edges) {
      if (number[e.to] != kGone) push_edge(to.edges, {e.first, e.last, number[e.to]});
    }
    for (const Jump& j : from.calls) {
      if (number[j.to] != kGone) to.calls.push_back({j.label, number[j.to]});
    }
    for (const Jump& j : from.specials) {
      if (number[j.to] != kGone) to.specials.push_back({j.label, number[j.to]});
    }
  }
  dfa = std::move(out);
}

}  // namespace

void trim(Dfa& dfa, const std::vector<bool>& callable) {
  constexpr uint32_t kGone = ~uint32_t{0};
  for (Dfa::State& state : dfa.states) {
    std::erase_if(state.calls, [&](const Jump& j) { return !callable[j.label]; });
  }
  const auto before = predecessors(dfa);
  std::vector<bool> ends(dfa.states.size(), false);
  std::vector<uint32_t> queue;
  for (uint32_t s = 0; s < dfa.states.size(); ++s) {
    if (dfa.states[s].accepting) queue.push_back(s), ends[s] = true;
  }
  for (size_t i = 0; i < queue.size(); ++i) {
    for (const uint32_t s : before[queue[i]]) {
      if (!ends[s]) queue.push_back(s), ends[s] = true;
    }
  }
  std::vector<uint32_t> number(dfa.states.size(), kGone);
  uint32_t n = 0;
  queue.clear();
  if (!dfa.states.empty() && ends[0]) queue.push_back(0), number[0] = n++;
  for (size_t i = 0; i < queue.size(); ++i) {
    for_each_target(dfa.states[queue[i]], [&](uint32_t to) {
      if (ends[to] && number[to] == kGone) queue.push_back(to), number[to] = n++;
    });
  }
  renumber(dfa, number, n);
}

namespace {

// Classes of states that are not told apart yet. What a class's members do, by classes, is its signature.
class Refinement {
 public:
  explicit Refinement(const Dfa& dfa) : dfa_(dfa), before_(predecessors(dfa)), class_(dfa.states.size(), 0) {}

  std::vector<uint32_t> run(size_t rounds) {
    std::vector<uint32_t> touched(dfa_.states.size());
    for (uint32_t s = 0; s < touched.size(); ++s) touched[s] = s;
    sizes_ = {touched.size()};
    signatures_.resize(1);
    for (size_t i = 0; i < rounds && !touched.empty(); ++i) touched = round(touched);
    return std::move(class_);
  }

 private:
  std::vector<uint32_t> signature(uint32_t s) const {
    const Dfa::State& state = dfa_.states[s];
    std::vector<uint32_t> out = {(state.accepting ? 1u : 0u) | (state.open ? 2u : 0u), state.mark};
    for (const ByteEdge& e : state.edges) {
      const uint32_t to = class_[e.to];
      if (out.size() > 3 && out.back() == to && (out[out.size() - 2] & 0xff) + 1u == e.first) {
        out[out.size() - 2] = (out[out.size() - 2] & 0xff00u) | e.last;
      } else {
        out.push_back(uint32_t{e.first} << 8 | e.last);
        out.push_back(to);
      }
    }
    for (const auto* jumps : {&state.calls, &state.specials}) {
      out.push_back(~uint32_t{0});
      for (const Jump& j : *jumps) {
        out.push_back(j.label);
        out.push_back(class_[j.to]);
      }
    }
    return out;
  }

  // Tells apart what became different; the states to look at next.
  std::vector<uint32_t> round(const std::vector<uint32_t>& touched) {
    std::unordered_map<uint32_t, std::unordered_map<std::vector<uint32_t>, std::vector<uint32_t>, VectorHash>> groups;
    std::vector<uint32_t> order;
    for (const uint32_t s : touched) {
      auto& of_class = groups[class_[s]];
      if (of_class.empty()) order.push_back(class_[s]);
      of_class[signature(s)].push_back(s);
    }
    std::vector<uint32_t> changed;
    for (const uint32_t c : order) split(c, groups[c], changed);
    std::vector<uint32_t> next;
    for (const uint32_t s : changed) next.insert(next.end(), before_[s].begin(), before_[s].end());
    std::sort(next.begin(), next.end());
    next.erase(std::unique(next.begin(), next.end()), next.end());
    return next;
  }

  // The members nobody touched keep the class; when there are none, the largest group does.
  template <class Groups>
  void split(uint32_t c, const Groups& groups, std::vector<uint32_t>& changed) {
    size_t n = 0;
    const typename Groups::value_type* largest = nullptr;
    for (const auto& group : groups) {
      n += group.second.size();
      const bool better = largest == nullptr || group.second.size() > largest->second.size() ||
                          (group.second.size() == largest->second.size() && group.second[0] < largest->second[0]);
      if (better) largest = &group;
    }
    if (n == sizes_[c]) signatures_[c] = largest->first;
    for (const auto& [signature, members] : groups) {
      if (signature == signatures_[c]) continue;
      const auto id = static_cast<uint32_t>(sizes_.size());
      sizes_.push_back(members.size());
      signatures_.push_back(signature);
      sizes_[c] -= members.size();
      for (const uint32_t s : members) class_[s] = id;
      changed.insert(changed.end(), members.begin(), members.end());
    }
  }

  const Dfa& dfa_;
  std::vector<std::vector<uint32_t>> before_;
  std::vector<uint32_t> class_;
  std::vector<size_t> sizes_;
  std::vector<std::vector<uint32_t>> signatures_;
};

}  // namespace

std::vector<uint32_t> classes_of(const Dfa& dfa, size_t steps) {
  std::vector<uint32_t> classes =
      Refinement(dfa).run(std::max(steps, steps + 1));  // the first looks at the states only
  // Numbers by the first state of each class, so that the start's is 0 and nothing depends on hashes.
  std::unordered_map<uint32_t, uint32_t> numbers;
  for (uint32_t& c : classes) c = numbers.try_emplace(c, static_cast<uint32_t>(numbers.size())).first->second;
  return classes;
}

void minimise(Dfa& dfa) {
  if (dfa.states.size() < 2) return;
  const std::vector<uint32_t> classes = classes_of(dfa, dfa.states.size());
  renumber(dfa, classes, *std::max_element(classes.begin(), classes.end()) + size_t{1});
}

}  // namespace kedge::engine::grammar
