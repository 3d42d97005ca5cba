#include "engine/grammar/node_text.h"

#include <algorithm>

#include "kernels/base/utf8.h"

namespace kedge::engine::grammar {
namespace {

using Kind = Grammar::Kind;

size_t plus(size_t a, size_t b) { return a > kNoLimit - b ? kNoLimit : a + b; }
size_t times(size_t a, size_t b) { return a != 0 && b > kNoLimit / a ? kNoLimit : a * b; }

class Lengths {
 public:
  explicit Lengths(const Grammar& grammar) : grammar_(grammar) {}

  LengthRange of(Grammar::NodeId id) {
    if (const auto known = known_.find(id); known != known_.end()) return known->second;
    known_[id] = {0, kNoLimit};  // of a rule that reaches itself
    return known_[id] = find(grammar_.node(id));
  }

 private:
  LengthRange find(const Grammar::Node& node) {
    switch (node.kind) {
      case Kind::kText:
      case Kind::kMarker: {
        const size_t n = characters_of(node.text).size();
        return {n, n};
      }
      case Kind::kChars:
        return {1, 1};
      case Kind::kSequence: {
        LengthRange sum;
        for (const auto part : node.parts) {
          const LengthRange one = of(part);
          sum = {plus(sum.least, one.least), plus(sum.most, one.most)};
        }
        return sum;
      }
      case Kind::kChoice: {
        LengthRange all = {kNoLimit, 0};
        for (const auto part : node.parts) {
          const LengthRange one = of(part);
          all = {std::min(all.least, one.least), std::max(all.most, one.most)};
        }
        return all;
      }
      case Kind::kRepeat: {
        const LengthRange one = of(node.parts[0]);
        return {times(one.least, node.least), times(one.most, node.most)};
      }
      case Kind::kRule:
        return of(grammar_.body(node.rule));
      case Kind::kBoth: {
        const LengthRange a = of(node.parts[0]);
        const LengthRange b = of(node.parts[1]);
        return {std::max(a.least, b.least), std::min(a.most, b.most)};
      }
      case Kind::kWithout:
        return of(node.parts[0]);
    }
    return {0, kNoLimit};
  }

  const Grammar& grammar_;
  std::map<Grammar::NodeId, LengthRange> known_;
};

bool has(const std::vector<CharRange>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const CharRange& r) { return r.first <= c && c <= r.last; });
}

}  // namespace

std::u32string characters_of(std::string_view utf8) {
  std::u32string out;
  for (size_t i = 0; i < utf8.size();) {
    const size_t length = std::max<size_t>(base::utf8_char_length(utf8, i), 1);
    out.push_back(base::utf8_code_point(utf8, i, length));
    i += length;
  }
  return out;
}

bool is_nothing(const Grammar& grammar, Grammar::NodeId id) {
  const Grammar::Node& node = grammar.node(id);
  const auto nothing = [&](Grammar::NodeId part) { return is_nothing(grammar, part); };
  if (node.kind == Kind::kChars) return node.chars.empty();
  if (node.kind == Kind::kChoice) return std::all_of(node.parts.begin(), node.parts.end(), nothing);
  if (node.kind == Kind::kSequence) return std::any_of(node.parts.begin(), node.parts.end(), nothing);
  return false;
}

LengthRange length_range(const Grammar& grammar, Grammar::NodeId node) { return Lengths(grammar).of(node); }

const NodeText::Ends& NodeText::ends(Grammar::NodeId node, size_t start) {
  const auto [place, is_new] = known_.try_emplace({node, start});
  if (is_new) {
    Ends found = find_ends(grammar_.node(node), start);
    place->second = std::move(found);  // nodes of a map stay where they are
  }
  return place->second;
}

NodeText::Ends NodeText::find_ends(const Grammar::Node& node, size_t start) {
  switch (node.kind) {
    case Kind::kText:
    case Kind::kMarker: {
      const std::u32string text = characters_of(node.text);
      return text_.compare(start, text.size(), text) == 0 ? Ends{start + text.size()} : Ends{};
    }
    case Kind::kChars:
      return start < text_.size() && has(node.chars, text_[start]) ? Ends{start + 1} : Ends{};
    case Kind::kSequence: {
      Ends at = {start};
      for (const auto part : node.parts) {
        Ends next;
        for (const size_t from : at) next.insert(ends(part, from).begin(), ends(part, from).end());
        at = std::move(next);
      }
      return at;
    }
    case Kind::kChoice: {
      Ends all;
      for (const auto part : node.parts) all.insert(ends(part, start).begin(), ends(part, start).end());
      return all;
    }
    case Kind::kRepeat:
      return repeat_ends(node, start);
    case Kind::kRule:
      return ends(grammar_.body(node.rule), start);
    case Kind::kBoth:
    case Kind::kWithout: {
      Ends left;
      const Ends& b = ends(node.parts[1], start);
      for (const size_t end : ends(node.parts[0], start)) {
        if (b.contains(end) == (node.kind == Kind::kBoth)) left.insert(end);
      }
      return left;
    }
  }
  return {};
}

NodeText::Ends NodeText::repeat_ends(const Grammar::Node& node, size_t start) {
  Ends all;
  Ends at = {start};
  for (size_t n = 0;; ++n) {
    const size_t before = all.size();
    if (n >= node.least) all.insert(at.begin(), at.end());
    const bool nothing_new = n > node.least && all.size() == before;
    if (at.empty() || n == node.most || nothing_new) return all;
    Ends next;
    for (const size_t from : at) next.insert(ends(node.parts[0], from).begin(), ends(node.parts[0], from).end());
    // Once the same places come again, more rounds up to `least` change nothing.
    if (next == at && n < node.least) n = node.least - 1;
    at = std::move(next);
  }
}

}  // namespace kedge::engine::grammar
