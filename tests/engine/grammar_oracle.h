// Test only: which texts an expression has, and with which its texts begin, from what expressions mean and nothing
// else: tables over all places of one text, filled until nothing changes. Bytes, so a text may end within a character.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/grammar.h"
#include "engine/grammar/utf8_ranges.h"

namespace kedge::engine::grammar {

class GrammarOracle {
 public:
  using NodeId = Grammar::NodeId;

  GrammarOracle(const Grammar& grammar, std::string_view text)
      : grammar_(grammar), text_(text), n_(text.size() + 1), cells_(grammar.nodes().size()) {
    for (Cell& cell : cells_) {
      cell.match.assign(n_ * n_, false);
      cell.begins.assign(n_, false);
    }
    for (changed_ = true; changed_;) {
      changed_ = false;
      for (NodeId node = 0; node < cells_.size(); ++node) update(node);
    }
  }

  bool matches() const { return cells_[grammar_.start()].match[text_.size()]; }
  bool begins() const { return cells_[grammar_.start()].begins[0]; }  // a text of the grammar begins with this one

 private:
  struct Cell {
    std::vector<bool> match;   // [from * n + to]
    std::vector<bool> begins;  // [from]: the rest of the text begins one of the expression's texts
    bool ends = false;         // it has texts at all
  };

  void set(std::vector<bool>& table, size_t at, bool value) {
    if (!value || table[at]) return;
    table[at] = true;
    changed_ = true;
  }
  void note(NodeId node, size_t from, size_t to) { set(cells_[node].match, from * n_ + to, true); }
  void note_begins(NodeId node, size_t from, bool value) { set(cells_[node].begins, from, value); }
  void note_ends(NodeId node, bool value) {
    if (!value || cells_[node].ends) return;
    cells_[node].ends = true;
    changed_ = true;
  }

  void update_text(NodeId node, std::string_view what) {
    note_ends(node, true);
    for (size_t from = 0; from < n_; ++from) {
      const std::string_view rest = text_.substr(from);
      if (rest.starts_with(what)) note(node, from, from + what.size());
      note_begins(node, from, what.starts_with(rest));
    }
  }

  // Alternatives that are the parts, `copies` of them one behind the other; those from `least` on may be missing.
  void update_list(NodeId node, const std::vector<NodeId>& parts, size_t least) {
    bool ends = true;
    for (size_t i = 0; i < parts.size(); ++i) ends &= i >= least || cells_[parts[i]].ends;
    note_ends(node, ends);
    for (size_t from = 0; from < n_; ++from) {
      std::vector<bool> at(n_, false);
      at[from] = true;
      for (size_t i = 0; i <= parts.size(); ++i) {
        for (size_t to = 0; to < n_; ++to) {
          if (at[to] && i >= least) note(node, from, to);
        }
        bool rest_ends = true;
        for (size_t k = i + 1; k < least; ++k) rest_ends &= cells_[parts[k]].ends;
        for (size_t to = 0; to < n_ && i < parts.size(); ++to) {
          if (at[to] && rest_ends) note_begins(node, from, cells_[parts[i]].begins[to]);
        }
        // Where the text ends, an end that is still possible is enough.
        if (at[n_ - 1] && i >= least) note_begins(node, from, true);
        if (i == parts.size()) break;
        std::vector<bool> next(n_, false);
        for (size_t a = 0; a < n_; ++a) {
          for (size_t b = a; at[a] && b < n_; ++b) next[b] = next[b] || cells_[parts[i]].match[a * n_ + b];
        }
        at = std::move(next);
      }
    }
  }

  void copy(NodeId node, NodeId from) {
    note_ends(node, cells_[from].ends);
    for (size_t i = 0; i < n_ * n_; ++i) set(cells_[node].match, i, cells_[from].match[i]);
    for (size_t i = 0; i < n_; ++i) note_begins(node, i, cells_[from].begins[i]);
  }

  void update(NodeId node) {
    const Grammar::Node& n = grammar_.node(node);
    switch (n.kind) {
      case Grammar::Kind::kText:
      case Grammar::Kind::kMarker:
        return update_text(node, n.text);
      case Grammar::Kind::kChars:
        for (const CharRange& r : n.chars) {
          for (char32_t c = r.first; c <= r.last; ++c) {
            std::string encoded;
            append_utf8(c, encoded);
            update_text(node, encoded);
          }
        }
        return;
      case Grammar::Kind::kSequence:
        return update_list(node, n.parts, n.parts.size());
      case Grammar::Kind::kChoice:
        for (const NodeId part : n.parts) copy(node, part);
        return;
      case Grammar::Kind::kRepeat: {
        // More copies than places of the text find nothing new.
        const size_t most = std::min(n.most, std::max(n.least, n_ + 1));
        return update_list(node, std::vector<NodeId>(most, n.parts[0]), n.least);
      }
      case Grammar::Kind::kRule:
        return copy(node, grammar_.body(n.rule));
      default:
        FAIL() << "not an expression of this oracle";
    }
  }

  const Grammar& grammar_;
  std::string_view text_;
  size_t n_;
  std::vector<Cell> cells_;
  bool changed_ = false;
};

}  // namespace kedge::engine::grammar
