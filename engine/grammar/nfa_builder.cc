#include "engine/grammar/nfa_builder.h"

#include <algorithm>

#include "engine/grammar/utf8_ranges.h"

namespace kedge::engine::grammar {

using Kind = Grammar::Kind;

Result<Dfa> NfaBuilder::automaton(NodeId body) { return automaton(body, false); }

Result<Dfa> NfaBuilder::automaton(NodeId body, bool bytes_only) {
  Scope scope{.nfa = {}, .bytes_only = bytes_only, .built = {}};
  scope.nfa.final = add(scope);
  KEDGE_ASSIGN(start, build_body(scope, body, scope.nfa.final));
  scope.nfa.start = start;
  return determinise(scope.nfa, budget_);
}

uint32_t NfaBuilder::add(Scope& scope) {
  ++budget_.nfa_states;
  scope.nfa.states.emplace_back();
  return static_cast<uint32_t>(scope.nfa.states.size() - 1);
}

// Built once for what follows it, so that expressions which share their ends stay as small as they are written.
Result<uint32_t> NfaBuilder::build(Scope& scope, NodeId node, uint32_t next) {
  KEDGE_TRY(budget_.status());
  node = parts_.resolve(node);
  if (node == Parts::kNone) return add(scope);  // a circle of rules: nothing
  const uint32_t callee = parts_.callee(node);
  if (scope.bytes_only && !parts_.regular(node)) {
    return Error{ErrorCode::kUnsupported, "a recursive rule cannot be combined with another expression (all of, not)"};
  }
  const uint64_t key = uint64_t{node} << 32 | next;
  if (const auto found = scope.built.find(key); found != scope.built.end()) return found->second;
  uint32_t start = 0;
  if (callee != Parts::kNone && !scope.bytes_only) {
    start = add(scope);
    scope.nfa.states[start].calls.push_back({callee, next});
  } else {
    KEDGE_ASSIGN(built, build_body(scope, node, next));
    start = built;
  }
  scope.built.emplace(key, start);
  return start;
}

Result<uint32_t> NfaBuilder::build_body(Scope& scope, NodeId node, uint32_t next) {
  const Grammar::Node& n = grammar_.node(node);
  switch (n.kind) {
    case Kind::kText:
      return text(scope, n.text, next);
    case Kind::kMarker:
      return scope.bytes_only ? text(scope, n.text, next) : marker(scope, n.text, next);
    case Kind::kChars:
      return chars(scope, n, next);
    case Kind::kSequence:
      for (size_t i = n.parts.size(); i-- > 0;) {
        KEDGE_ASSIGN(start, build(scope, n.parts[i], next));
        next = start;
      }
      return next;
    case Kind::kChoice: {
      const uint32_t start = add(scope);
      for (const NodeId part : n.parts) {
        KEDGE_ASSIGN(to, build(scope, part, next));
        scope.nfa.states[start].empty.push_back(to);
      }
      return start;
    }
    case Kind::kRepeat:
      return repeat(scope, n, next);
    case Kind::kBoth:
    case Kind::kWithout:
      return embed(scope, node, next);
    case Kind::kRule:
      break;  // resolved
  }
  return add(scope);
}

uint32_t NfaBuilder::text(Scope& scope, std::string_view text, uint32_t next) {
  for (size_t i = text.size(); i-- > 0;) {
    const uint32_t start = add(scope);
    const auto byte = static_cast<uint8_t>(text[i]);
    scope.nfa.states[start].edges.push_back({byte, byte, next});
    next = start;
  }
  return next;
}

// The bytes, and beside them every control token that is written in them.
uint32_t NfaBuilder::marker(Scope& scope, std::string_view text, uint32_t next) {
  std::vector<uint32_t> at(text.size() + 1);
  at[text.size()] = next;
  for (size_t i = text.size(); i-- > 0;) {
    at[i] = add(scope);
    Nfa::State& state = scope.nfa.states[at[i]];
    const auto byte = static_cast<uint8_t>(text[i]);
    state.edges.push_back({byte, byte, at[i + 1]});
    for (uint32_t s = 0; s < specials_.size(); ++s) {
      if (text.substr(i).starts_with(specials_[s])) state.specials.push_back({s, at[i + specials_[s].size()]});
    }
  }
  return at[0];
}

uint32_t NfaBuilder::chars(Scope& scope, const Grammar::Node& node, uint32_t next) {
  std::vector<ByteSequence> sequences;
  for (const CharRange& r : node.chars) append_utf8(r, sequences);
  const uint32_t start = add(scope);
  for (const ByteSequence& s : sequences) {
    uint32_t to = next;
    for (size_t i = s.size; i-- > 1;) {
      const uint32_t from = add(scope);
      scope.nfa.states[from].edges.push_back({s.ranges[i].first, s.ranges[i].last, to});
      to = from;
    }
    scope.nfa.states[start].edges.push_back({s.ranges[0].first, s.ranges[0].last, to});
  }
  return start;
}

Result<uint32_t> NfaBuilder::repeat(Scope& scope, const Grammar::Node& node, uint32_t next) {
  const NodeId part = node.parts[0];
  const auto copy = [&](uint32_t to) -> Result<uint32_t> {
    ++budget_.work;  // a copy of the empty text adds no state
    KEDGE_TRY(budget_.status());
    return build(scope, part, to);
  };
  if (node.most == kNoLimit) {
    const uint32_t loop = add(scope);
    scope.nfa.states[loop].empty.push_back(next);
    KEDGE_ASSIGN(again, copy(loop));
    scope.nfa.states[loop].empty.push_back(again);
    next = loop;
  } else {
    const uint32_t end = next;
    for (size_t i = node.least; i < node.most; ++i) {
      KEDGE_ASSIGN(once, copy(next));
      const uint32_t maybe = add(scope);
      scope.nfa.states[maybe].empty = {once, end};
      next = maybe;
    }
  }
  for (size_t i = 0; i < node.least; ++i) {
    KEDGE_ASSIGN(once, copy(next));
    next = once;
  }
  return next;
}

Result<Dfa> NfaBuilder::operation(const Grammar::Node& node) {
  for (const NodeId part : node.parts) {
    if (!parts_.regular(part)) {
      return Error{ErrorCode::kUnsupported,
                   "a recursive rule cannot be combined with another expression (all of, not)"};
    }
  }
  const auto side = [&](NodeId of) -> Result<Dfa> {
    const NodeId body = parts_.resolve(of);
    if (body == Parts::kNone) return Dfa{};
    KEDGE_ASSIGN(dfa, automaton(body, true));
    trim(dfa, {});
    minimise(dfa);
    return dfa;
  };
  KEDGE_ASSIGN(a, side(node.parts[0]));
  KEDGE_ASSIGN(b, side(node.parts[1]));
  KEDGE_ASSIGN(dfa, product(a, b, node.kind == Kind::kWithout, budget_));
  trim(dfa, {});
  minimise(dfa);
  return dfa;
}

Result<uint32_t> NfaBuilder::embed(Scope& scope, NodeId node, uint32_t next) {
  auto found = operations_.find(node);
  if (found == operations_.end()) {
    KEDGE_ASSIGN(dfa, operation(grammar_.node(node)));
    found = operations_.emplace(node, std::move(dfa)).first;
  }
  const Dfa& dfa = found->second;
  if (dfa.states.empty()) return add(scope);
  const auto base = static_cast<uint32_t>(scope.nfa.states.size());
  const bool open = std::find(open_.begin(), open_.end(), node) != open_.end();
  for (size_t s = 0; s < dfa.states.size(); ++s) add(scope);
  for (size_t s = 0; s < dfa.states.size(); ++s) {
    Nfa::State& to = scope.nfa.states[base + s];
    to.edges = dfa.states[s].edges;
    to.open = open;
    for (ByteEdge& e : to.edges) e.to += base;
    if (dfa.states[s].accepting) to.empty.push_back(next);
  }
  KEDGE_TRY(budget_.status());
  return base;
}

}  // namespace kedge::engine::grammar
