#include "engine/grammar/parts.h"

#include <algorithm>

#include "engine/grammar/utf8_ranges.h"

namespace kedge::engine::grammar {
namespace {

using Kind = Grammar::Kind;

constexpr uint64_t kHuge = uint64_t{1} << 40;
constexpr uint64_t kSmall = 64;          // NFA states that are copied wherever they are used
constexpr uint64_t kTiny = 2;            // a call takes as many
constexpr uint64_t kUnclosed = 4096;     // and those of what may end anywhere
constexpr uint64_t kRepeated = 1 << 15;  // and those of a repetition that is always written out,
constexpr uint64_t kLong = 1 << 18;      // or where the long ones together have no more than
constexpr uint64_t kAllLong = 1 << 20;   // so many; otherwise what they repeat is called, which is slower
constexpr uint64_t kWideCharacters = 64;

uint64_t add(uint64_t a, uint64_t b) { return std::min(kHuge, a + b); }
uint64_t multiply(uint64_t a, uint64_t n) { return a == 0 ? 0 : (n >= kHuge / a ? kHuge : a * n); }

uint64_t copies(const Grammar::Node& repeat) {
  return repeat.most == kNoLimit ? add(repeat.least, 1) : std::min<uint64_t>(repeat.most, kHuge);
}

uint64_t n_characters(const Grammar::Node& node) {
  uint64_t n = 0;
  for (const CharRange& r : node.chars) n += r.last - r.first + 1;
  return n;
}

}  // namespace

Result<Parts> Parts::of(const Grammar& grammar) {
  KEDGE_TRY(grammar.status());
  if (grammar.start() >= grammar.nodes().size()) {
    return Error{ErrorCode::kInvalidArgument, "the grammar has no expression to start with"};
  }
  Parts parts(grammar);
  KEDGE_TRY(parts.analyse());
  parts.choose_callees();
  return parts;
}

Parts::NodeId Parts::resolve(NodeId node) const {
  for (size_t i = 0; grammar_->node(node).kind == Kind::kRule; ++i) {
    if (i > grammar_->n_rules()) return kNone;
    node = grammar_->body(grammar_->node(node).rule);
  }
  return node;
}

std::vector<Parts::NodeId> Parts::below(NodeId node) const {
  const Grammar::Node& n = grammar_->node(node);
  if (n.kind == Kind::kRule) return {grammar_->body(n.rule)};
  return n.parts;
}

// Tarjan's strongly connected components, without recursion: they come out from the inside.
Status Parts::analyse() {
  struct Visit {
    NodeId node;
    std::vector<NodeId> below;
    size_t next = 0;
  };
  const size_t n = grammar_->nodes().size();
  facts_.resize(n);
  callee_.assign(n, kNone);
  std::vector<uint32_t> index(n, 0);
  std::vector<uint32_t> low(n, 0);
  std::vector<bool> on_stack(n, false);
  std::vector<NodeId> stack;
  std::vector<Visit> visits;
  uint32_t next_index = 0;
  const auto enter = [&](NodeId node) -> Status {
    const Grammar::Node& at = grammar_->node(node);
    if (at.kind == Kind::kRule && !grammar_->defined(at.rule)) {
      return Error{ErrorCode::kInvalidArgument, "the rule '" + grammar_->rule_name(at.rule) + "' is not defined"};
    }
    index[node] = low[node] = ++next_index;
    stack.push_back(node);
    on_stack[node] = true;
    visits.push_back({node, below(node)});
    return {};
  };
  KEDGE_TRY(enter(grammar_->start()));
  while (!visits.empty()) {
    Visit& visit = visits.back();
    const NodeId node = visit.node;
    if (visit.next < visit.below.size()) {
      const NodeId to = visit.below[visit.next++];
      if (index[to] == 0) {
        KEDGE_TRY(enter(to));
      } else if (on_stack[to]) {
        low[node] = std::min(low[node], index[to]);
      }
      continue;
    }
    visits.pop_back();
    if (!visits.empty()) low[visits.back().node] = std::min(low[visits.back().node], low[node]);
    if (low[node] != index[node]) continue;
    const auto first = std::find(stack.rbegin(), stack.rend(), node).base() - 1;
    std::vector<NodeId> component(first, stack.end());
    stack.erase(first, stack.end());
    for (const NodeId member : component) on_stack[member] = false;
    settle(component);
    for (const NodeId member : component) {
      if (facts_[member].depth <= kMaxDepth) continue;
      return Error{ErrorCode::kCapacity,
                   "expressions of the grammar are within each other deeper than " + std::to_string(kMaxDepth)};
    }
  }
  return {};
}

// The facts of a component; those of everything below it are known. Within a cycle the uses of rules come first: there
// an automaton calls another. Other expressions are made after their parts, so their ids are in order.
void Parts::settle(std::vector<NodeId>& component) {
  const auto is_rule = [&](NodeId node) { return grammar_->node(node).kind == Kind::kRule; };
  std::sort(component.begin(), component.end(),
            [&](NodeId a, NodeId b) { return is_rule(a) != is_rule(b) ? is_rule(a) : a < b; });
  const bool cycle = component.size() > 1;
  for (const NodeId node : component) {
    if (cycle && is_rule(node)) {
      facts_[node] = {.size = 1, .depth = 1, .recursive = true, .cycle = true, .closed = true};
      continue;
    }
    facts_[node] = facts_of(node);
    facts_[node].cycle = cycle;
    facts_[node].recursive |= cycle;
  }
}

Parts::Facts Parts::facts_of(NodeId node) const {
  const Grammar::Node& n = grammar_->node(node);
  Facts facts;
  facts.size = 1;
  for (const NodeId part : below(node)) {
    facts.size = add(facts.size, facts_[part].size);
    facts.depth = std::max(facts.depth, facts_[part].depth);
    facts.recursive |= facts_[part].recursive;
    facts.wide |= facts_[part].wide;
  }
  ++facts.depth;
  facts.closed = closed(node);
  if (n.kind == Kind::kText || n.kind == Kind::kMarker) facts.size = n.text.size();
  if (n.kind == Kind::kChars) {
    std::vector<ByteSequence> sequences;
    for (const CharRange& r : n.chars) append_utf8(r, sequences);
    facts.size = 0;
    for (const ByteSequence& s : sequences) facts.size += s.size;
  }
  if (n.kind == Kind::kRepeat) {
    // What is in a loop may be a class of characters, or a choice in which there is one.
    const NodeId part = resolve(n.parts[0]);
    const auto wide_part = [&](NodeId of) {
      of = resolve(of);
      if (of == kNone || grammar_->node(of).kind != Kind::kChars) return false;
      return n_characters(grammar_->node(of)) >= kWideCharacters;
    };
    if (n.most > 8 && part != kNone) {
      facts.wide |= wide_part(part);
      for (const NodeId of : below(part)) facts.wide |= wide_part(of);
    }
    facts.size = multiply(add(facts_[n.parts[0]].size, 1), std::max<uint64_t>(1, copies(n)));
  }
  return facts;
}

bool Parts::closed(NodeId node) const {
  const Grammar::Node& n = grammar_->node(node);
  const auto part = [&](NodeId of) { return facts_[of].closed; };
  switch (n.kind) {
    case Kind::kText:
    case Kind::kMarker:
      return !n.text.empty();
    case Kind::kChars:
      return true;
    case Kind::kSequence:
      return !n.parts.empty() && part(n.parts.back());
    case Kind::kChoice:
      return std::all_of(n.parts.begin(), n.parts.end(), part);
    case Kind::kRepeat:
      return n.least == n.most && n.least > 0 && part(n.parts[0]);
    case Kind::kRule:
      return part(grammar_->body(n.rule));
    case Kind::kBoth:
    case Kind::kWithout:
      return false;
  }
  return false;
}

// A call that may end behind every byte would leave most tokens to its callers: such an expression is copied, as long
// as it can be.
bool Parts::large(NodeId node) const {
  const Facts& facts = facts_[node];
  return facts.size > kUnclosed || (facts.closed && (facts.size > kSmall || facts.wide));
}

void Parts::call(NodeId node) {
  if (callee_[node] != kNone) return;
  callee_[node] = static_cast<uint32_t>(callees_.size());
  callees_.push_back(node);
}

// A large expression is called when two different things can follow it. Being called it is followed by the same thing
// everywhere, which changes what follows its parts: so all over again until nothing is added.
void Parts::choose_callees() {
  uint64_t all_long = 0;
  for (NodeId node = 0; node < facts_.size(); ++node) {
    if (grammar_->node(node).kind != Kind::kRepeat || facts_[node].size <= kRepeated) continue;
    if (facts_[node].size <= kLong) all_long = add(all_long, facts_[node].size);
  }
  written_out_ = all_long <= kAllLong ? kLong : kRepeated;
  const NodeId start = resolve(grammar_->start());
  if (start == kNone) return;
  call(start);
  for (NodeId node = 0; node < facts_.size(); ++node) {
    if (!facts_[node].cycle || grammar_->node(node).kind != Kind::kRule) continue;
    const NodeId body = resolve(node);
    if (body != kNone) call(body);
  }
  constexpr int kPasses = 32;  // what is still used twice then is copied
  for (int pass = 0; pass < kPasses; ++pass) {
    const size_t before = callees_.size();
    seen_.assign(facts_.size(), 0);
    uint64_t last_next = 0;
    for (size_t i = 0; i < before; ++i) {  // what is found to be called has been visited where it was met
      const NodeId body = callees_[i];
      seen_[body] = ++last_next;
      const Grammar::Node& n = grammar_->node(body);
      if (n.kind == Kind::kRepeat) {
        visit_repeat(body, last_next);
      } else if (n.kind == Kind::kSequence || n.kind == Kind::kChoice) {
        const bool sequence = n.kind == Kind::kSequence;
        uint64_t next = last_next;
        for (size_t p = n.parts.size(); p-- > 0;) {
          visit(n.parts[p], next, last_next);
          if (sequence) next = ++last_next;
        }
      }
    }
    if (callees_.size() == before) return;
  }
}

void Parts::visit(NodeId node, uint64_t next, uint64_t& last_next) {
  node = resolve(node);
  if (node == kNone || callee_[node] != kNone) return;
  if (facts_[node].size <= kSmall && !facts_[node].wide && !facts_[node].recursive) return;  // nothing large is in it
  if (seen_[node] == next) return;
  if (seen_[node] != 0 && large(node)) return call(node);
  seen_[node] = next;
  const Grammar::Node& n = grammar_->node(node);
  if (n.kind == Kind::kRepeat) return visit_repeat(node, last_next);
  if (n.kind != Kind::kSequence && n.kind != Kind::kChoice) return;
  for (size_t p = n.parts.size(); p-- > 0;) {
    visit(n.parts[p], next, last_next);
    if (n.kind == Kind::kSequence) next = ++last_next;
  }
}

void Parts::visit_repeat(NodeId node, uint64_t& last_next) {
  const Grammar::Node& n = grammar_->node(node);
  const NodeId part = resolve(n.parts[0]);
  if (part == kNone || callee_[part] != kNone) return;
  const uint64_t times = copies(n);
  const bool written_out = !facts_[part].wide && multiply(facts_[part].size, times) <= written_out_;
  const bool many = facts_[part].size > kTiny && multiply(facts_[part].size, times) > written_out_;
  if (times > 1 && (large(part) || many) && !(regular(part) && written_out)) return call(part);
  visit(part, ++last_next, last_next);
}

}  // namespace kedge::engine::grammar
