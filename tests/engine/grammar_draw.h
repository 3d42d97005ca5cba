// Random texts of an expression.
#pragma once

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/grammar/grammar.h"
#include "engine/grammar/node_text.h"

namespace kedge::engine::grammar {

// Deep in rules it takes the ways that end soonest. Nothing: both() or without() left none of its draws.
class Draw {
 public:
  Draw(const Grammar& grammar, uint64_t seed) : grammar_(grammar), random_(seed) { find_costs(); }

  std::optional<std::string> text(Grammar::NodeId node) {
    out_.clear();
    calls_ = 0;
    return draw(node) ? std::optional(out_) : std::nullopt;
  }

 private:
  static constexpr uint32_t kNever = 1u << 30;
  static constexpr size_t kManyCalls = 40;
  static constexpr size_t kDraws = 40;
  using Kind = Grammar::Kind;

  // Rules that have to be entered before a node can end, roughly.
  void find_costs() {
    costs_.assign(grammar_.nodes().size(), kNever);
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t id = 0; id < costs_.size(); ++id) {
        const uint32_t cost = cost_of(grammar_.node(static_cast<Grammar::NodeId>(id)));
        if (cost < costs_[id]) changed = true;
        costs_[id] = std::min(costs_[id], cost);
      }
    }
  }

  uint32_t cost_of(const Grammar::Node& node) const {
    uint32_t sum = 0;
    uint32_t least = kNever;
    for (const auto part : node.parts) {
      sum = std::min(kNever, sum + costs_[part]);
      least = std::min(least, costs_[part]);
    }
    if (node.kind == Kind::kChoice) return least;
    if (node.kind == Kind::kRepeat) return node.least == 0 ? 0 : sum;
    if (node.kind == Kind::kRule) return std::min(kNever, costs_[grammar_.body(node.rule)] + 1);
    if (node.kind == Kind::kWithout) return costs_[node.parts[0]];
    if (node.kind == Kind::kChars) return node.chars.empty() ? kNever : 0;
    return sum;
  }

  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }

  bool draw(Grammar::NodeId id) {
    const Grammar::Node& node = grammar_.node(id);
    switch (node.kind) {
      case Kind::kText:
      case Kind::kMarker:
        out_ += node.text;
        return true;
      case Kind::kChars:
        return draw_char(node.chars);
      case Kind::kSequence:
        return std::all_of(node.parts.begin(), node.parts.end(), [&](auto part) { return draw(part); });
      case Kind::kChoice:
        return draw_choice(node);
      case Kind::kRepeat: {
        const size_t spread = calls_ > kManyCalls ? 0 : std::min<size_t>(node.most - node.least, 4);
        const size_t n = node.least + below(spread + 1);
        for (size_t i = 0; i < n; ++i) {
          if (!draw(node.parts[0])) return false;
        }
        return true;
      }
      case Kind::kRule:
        ++calls_;
        return draw(grammar_.body(node.rule));
      case Kind::kBoth:
      case Kind::kWithout:
        return draw_filtered(node);
    }
    return false;
  }

  bool draw_choice(const Grammar::Node& node) {
    std::vector<Grammar::NodeId> ways;
    uint32_t least = kNever;
    for (const auto part : node.parts) least = std::min(least, costs_[part]);
    for (const auto part : node.parts) {
      if (costs_[part] < kNever && (calls_ < kManyCalls || costs_[part] == least)) ways.push_back(part);
    }
    return !ways.empty() && draw(ways[below(ways.size())]);
  }

  bool draw_filtered(const Grammar::Node& node) {
    const std::string before = out_;
    for (size_t i = 0; i < kDraws; ++i) {
      // Either of both may be the narrow one.
      const size_t from = node.kind == Kind::kBoth ? i % 2 : 0;
      out_.clear();
      const bool drawn = draw(node.parts[from]);
      const std::string text = std::exchange(out_, before);
      if (!drawn) continue;
      if (NodeText(grammar_, text).matches(node.parts[1 - from]) != (node.kind == Kind::kBoth)) continue;
      out_ += text;
      return true;
    }
    return false;
  }

  // Mostly what a keyboard has.
  bool draw_char(const std::vector<CharRange>& ranges) {
    if (ranges.empty()) return false;
    const CharRange& range = ranges[below(below(3) == 0 ? ranges.size() : 1)];
    const char32_t span = std::min<char32_t>(range.last - range.first, below(8) == 0 ? 0x10ffff : 60);
    append(range.first + static_cast<char32_t>(below(span + 1)));
    return true;
  }

  void append(char32_t c) {
    const auto tail = [&](int shift) { out_ += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
    if (c < 0x80) {
      out_ += static_cast<char>(c);
    } else if (c < 0x800) {
      out_ += static_cast<char>(0xc0 | c >> 6);
      tail(0);
    } else if (c < 0x10000) {
      out_ += static_cast<char>(0xe0 | c >> 12);
      tail(6);
      tail(0);
    } else {
      out_ += static_cast<char>(0xf0 | c >> 18);
      tail(12);
      tail(6);
      tail(0);
    }
  }

  const Grammar& grammar_;
  std::mt19937_64 random_;
  std::vector<uint32_t> costs_;
  std::string out_;
  size_t calls_ = 0;
};

}  // namespace kedge::engine::grammar
