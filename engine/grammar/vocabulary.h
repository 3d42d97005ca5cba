// A tokenizer's tokens as a constraint sees them: bytes in a trie, control tokens by their texts, tokens that end.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/nfa_builder.h"
#include "tokenizer/tokenizer.h"

namespace kedge::engine::grammar {

// Immutable; shared by all constraints of a model.
class Vocabulary {
 public:
  // A prefix of tokens. Nodes stand in the order of a walk that goes down first: a node's first child is the next one,
  // and what is not below it begins at `behind`.
  struct Node {
    uint32_t behind;
    uint32_t tokens;    // the first token at or below it; the next node has the end of its own
    uint64_t contents;  // classes of bytes in what goes on from here (byte_classes)
    uint16_t depth;     // bytes
    uint8_t byte;
  };

  // `n_vocab`: rows of logits, at least the tokenizer's tokens. The tokenizer outlives it.
  Vocabulary(const Tokenizer& tokenizer, size_t n_vocab);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  size_t n_vocab() const { return n_vocab_; }
  size_t longest() const { return longest_; }  // bytes of a token

  size_t n_nodes() const { return nodes_.size() - 1; }
  const Node& node(uint32_t n) const { return nodes_[n]; }  // 0: the empty prefix
  // The child by a byte, 0 if there is none.
  uint32_t child(uint32_t node, uint8_t byte) const;
  bool is_leaf(uint32_t node) const { return nodes_[node].behind == node + 1; }
  // Tokens that are this prefix; tokens that begin with it.
  std::span<const int32_t> own(uint32_t n) const { return tokens(nodes_[n].tokens, nodes_[n + 1].tokens); }
  std::span<const int32_t> below(uint32_t n) const { return tokens(nodes_[n].tokens, nodes_[nodes_[n].behind].tokens); }

  // Texts of control tokens (and of others that are markup), each once; the tokens written so.
  const SpecialTexts& special_texts() const { return special_texts_; }
  int32_t special_token(uint32_t label) const { return special_tokens_[label]; }
  int32_t special_label(int32_t token) const;              // -1: it is not one of them
  std::span<const int32_t> ends() const { return ends_; }  // tokens that end a generation
  bool is_end(int32_t token) const;
  bool is_text(int32_t token) const;  // in the trie

  size_t bytes() const;

  // Classes of bytes, as bits: every punctuation mark and blank its own, digits, capitals, small letters, other control
  // characters; and two of what is not ASCII: whole characters (a token's last one may be cut off), and other bytes.
  static uint64_t byte_class(uint8_t byte);
  static constexpr uint64_t kCharacters = uint64_t{1} << 62;
  static constexpr uint64_t kLooseBytes = uint64_t{1} << 63;

 private:
  std::span<const int32_t> tokens(uint32_t first, uint32_t last) const {
    return std::span(order_).subspan(first, last - first);
  }
  void build_trie(const std::vector<int32_t>& sorted);
  void note_contents();

  const Tokenizer& tokenizer_;
  size_t n_vocab_;
  size_t longest_ = 0;
  std::vector<Node> nodes_;      // and one behind the last
  std::vector<int32_t> order_;   // tokens by their bytes
  std::vector<uint32_t> first_;  // children of the empty prefix
  SpecialTexts special_texts_;
  std::vector<int32_t> special_tokens_;
  std::vector<std::pair<int32_t, uint32_t>> labels_;  // by token
  std::vector<int32_t> ends_;
  std::vector<bool> text_;
};

}  // namespace kedge::engine::grammar
