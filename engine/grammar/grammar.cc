#include "engine/grammar/grammar.h"

#include <algorithm>
#include <utility>

#include "kernels/base/utf8.h"

namespace kedge::engine::grammar {
namespace {

constexpr char32_t kLastChar = 0x10ffff;
constexpr CharRange kSurrogates = {0xd800, 0xdfff};

// Ascending, disjoint, neither surrogates nor anything beyond Unicode.
std::vector<CharRange> normalised(std::vector<CharRange> ranges) {
  std::vector<CharRange> scalar;
  for (CharRange r : ranges) {
    r.last = std::min(r.last, kLastChar);
    if (r.first < kSurrogates.first) scalar.push_back({r.first, std::min<char32_t>(r.last, kSurrogates.first - 1)});
    if (r.last > kSurrogates.last) scalar.push_back({std::max<char32_t>(r.first, kSurrogates.last + 1), r.last});
  }
  std::erase_if(scalar, [](const CharRange& r) { return r.first > r.last; });
  std::sort(scalar.begin(), scalar.end(), [](const CharRange& a, const CharRange& b) { return a.first < b.first; });
  std::vector<CharRange> merged;
  for (const CharRange& r : scalar) {
    if (!merged.empty() && r.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, r.last);
    } else {
      merged.push_back(r);
    }
  }
  return merged;
}

}  // namespace

Grammar::NodeId Grammar::add(Node node) {
  const size_t bytes =
      sizeof(Node) + node.text.size() + node.chars.size() * sizeof(CharRange) + node.parts.size() * sizeof(NodeId);
  if (!full_ && (nodes_.size() >= kMaxNodes || bytes_ + bytes > kMaxBytes)) full_ = true;
  // The last node a full grammar gets, so that every id is one of a node.
  if (full_ && !nodes_.empty()) return static_cast<NodeId>(nodes_.size() - 1);
  bytes_ += bytes;
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

Grammar::NodeId Grammar::add_text(Kind kind, std::string_view utf8) {
  if (!base::utf8_valid(utf8)) bad_text_ = true;
  return add({.kind = kind, .text = std::string(utf8)});
}

Grammar::NodeId Grammar::text(std::string_view utf8) { return add_text(Kind::kText, utf8); }
Grammar::NodeId Grammar::marker(std::string_view utf8) { return add_text(Kind::kMarker, utf8); }

Grammar::NodeId Grammar::chars(std::vector<CharRange> ranges) {
  return add({.kind = Kind::kChars, .chars = normalised(std::move(ranges))});
}

Grammar::NodeId Grammar::chars_but(std::vector<CharRange> ranges) {
  std::vector<CharRange> rest;
  char32_t next = 0;
  for (const CharRange& r : normalised(std::move(ranges))) {
    if (r.first > next) rest.push_back({next, r.first - 1});
    next = r.last + 1;
  }
  if (next <= kLastChar) rest.push_back({next, kLastChar});
  return chars(std::move(rest));
}

Grammar::NodeId Grammar::sequence(std::span<const NodeId> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.kind = Kind::kSequence, .parts = {parts.begin(), parts.end()}});
}

Grammar::NodeId Grammar::choice(std::span<const NodeId> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.kind = Kind::kChoice, .parts = {parts.begin(), parts.end()}});
}

Grammar::NodeId Grammar::repeat(NodeId part, size_t least, size_t most) {
  if (least > most) return nothing();
  if (least == 1 && most == 1) return part;
  return add({.kind = Kind::kRepeat, .parts = {part}, .least = least, .most = most});
}

Grammar::NodeId Grammar::both(NodeId a, NodeId b) { return add({.kind = Kind::kBoth, .parts = {a, b}}); }
Grammar::NodeId Grammar::without(NodeId a, NodeId b) { return add({.kind = Kind::kWithout, .parts = {a, b}}); }

Grammar::RuleId Grammar::declare(std::string name) {
  names_.push_back(std::move(name));
  bodies_.push_back(kUndefined);
  return static_cast<RuleId>(names_.size() - 1);
}

void Grammar::define(RuleId rule, NodeId body) { bodies_[rule] = body; }

Grammar::NodeId Grammar::rule(RuleId rule) { return add({.kind = Kind::kRule, .rule = rule}); }

Status Grammar::status() const {
  if (bad_text_) return Error{ErrorCode::kInvalidArgument, "a text of the grammar is not UTF-8"};
  if (!full_) return {};
  return Error{ErrorCode::kCapacity, "the grammar has more than " + std::to_string(kMaxNodes) +
                                         " parts, or takes more than " + std::to_string(kMaxBytes >> 20) + " MiB"};
}

}  // namespace kedge::engine::grammar
