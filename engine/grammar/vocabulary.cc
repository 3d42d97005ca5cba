#include "engine/grammar/vocabulary.h"

#include <algorithm>
#include <unordered_map>

#include "kernels/base/utf8.h"

namespace kedge::engine::grammar {
namespace {

bool is_text_token(const Tokenizer& tokenizer, int32_t id) {
  const TokenType type = tokenizer.type(id);
  if (tokenizer.is_control(id) || tokenizer.is_eog(id)) return false;
  return type != TokenType::kUnknown && type != TokenType::kUnused && !tokenizer.piece(id).empty();
}

bool is_special(const Tokenizer& tokenizer, int32_t id) {
  const TokenType type = tokenizer.type(id);
  if (type == TokenType::kUnknown || tokenizer.piece(id).empty()) return false;
  return type == TokenType::kControl || (type == TokenType::kUserDefined && is_markup(tokenizer.piece(id)));
}

}  // namespace

Vocabulary::Vocabulary(const Tokenizer& tokenizer, size_t n_vocab)
    : tokenizer_(tokenizer), n_vocab_(n_vocab), text_(n_vocab, false) {
  std::unordered_map<std::string_view, uint32_t> labels;
  for (int32_t id = 0; id < tokenizer.size(); ++id) {
    const std::string_view piece = tokenizer.piece(id);
    if (tokenizer.is_eog(id)) ends_.push_back(id);
    if (is_special(tokenizer, id)) {
      const auto [found, added] = labels.try_emplace(piece, static_cast<uint32_t>(special_texts_.size()));
      if (added) {
        special_texts_.emplace_back(piece);
        special_tokens_.push_back(id);
      }
      labels_.emplace_back(id, found->second);
    }
    if (!is_text_token(tokenizer, id) || piece.size() > UINT16_MAX) continue;
    text_[static_cast<size_t>(id)] = true;
    order_.push_back(id);
    longest_ = std::max(longest_, piece.size());
  }
  std::stable_sort(order_.begin(), order_.end(),
                   [&](int32_t a, int32_t b) { return tokenizer.piece(a) < tokenizer.piece(b); });
  build_trie(order_);
  note_contents();
}

void Vocabulary::build_trie(const std::vector<int32_t>& sorted) {
  std::vector<uint32_t> path = {0};  // nodes from the root to the last token
  nodes_.push_back({});
  std::string_view last;
  for (uint32_t t = 0; t < sorted.size(); ++t) {
    const std::string_view piece = tokenizer_.piece(sorted[t]);
    const auto shared =
        static_cast<size_t>(std::mismatch(last.begin(), last.end(), piece.begin(), piece.end()).first - last.begin());
    while (path.size() > shared + 1) {
      nodes_[path.back()].behind = static_cast<uint32_t>(nodes_.size());
      path.pop_back();
    }
    for (size_t i = shared; i < piece.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.behind = 0,
                        .tokens = t,
                        .contents = 0,
                        .depth = static_cast<uint16_t>(i + 1),
                        .byte = static_cast<uint8_t>(piece[i])});
    }
    last = piece;
  }
  const auto end = static_cast<uint32_t>(nodes_.size());
  for (const uint32_t node : path) nodes_[node].behind = end;
  nodes_.push_back(
      {.behind = end + 1, .tokens = static_cast<uint32_t>(sorted.size()), .contents = 0, .depth = 0, .byte = 0});
  first_.assign(256, 0);
  for (uint32_t n = 1; n < end; n = nodes_[n].behind) first_[nodes_[n].byte] = n;
}

uint64_t Vocabulary::byte_class(uint8_t byte) {
  if (byte >= 0x80) return kLooseBytes;
  if (byte >= '0' && byte <= '9') return uint64_t{1} << 33;
  if (byte >= 'A' && byte <= 'Z') return uint64_t{1} << 34;
  if (byte >= 'a' && byte <= 'z') return uint64_t{1} << 35;
  if (byte < 0x20) {
    if (byte == '\t') return uint64_t{1} << 36;
    if (byte == '\n') return uint64_t{1} << 37;
    return byte == '\r' ? uint64_t{1} << 38 : uint64_t{1} << 39;
  }
  if (byte == 0x7f) return uint64_t{1} << 40;
  // The blank and 32 punctuation marks: 0x20-0x2f, 0x3a-0x40, 0x5b-0x60, 0x7b-0x7e.
  if (byte < 0x30) return uint64_t{1} << (byte - 0x20);
  if (byte < 0x41) return uint64_t{1} << (16 + byte - 0x3a);
  if (byte < 0x61) return uint64_t{1} << (23 + byte - 0x5b);
  return uint64_t{1} << (29 + byte - 0x7b);
}

// A byte beyond ASCII is part of a character when the bytes above it in the trie began one that it can continue. A
// character that a token's end cuts off counts as a character.
void Vocabulary::note_contents() {
  const auto n = static_cast<uint32_t>(n_nodes());
  std::vector<uint32_t> parent(n, 0);
  std::vector<uint64_t> own(n, 0);     // the class of a node's last byte, in its place
  std::vector<uint8_t> missing(n, 0);  // bytes of a character, behind the node's last
  std::vector<uint32_t> path(longest_ + 1, 0);
  for (uint32_t i = 1; i < n; ++i) {
    const Node& node = nodes_[i];
    const uint32_t above = path[node.depth - 1u];
    path[node.depth] = i;
    parent[i] = above;
    const uint8_t byte = node.byte;
    if (missing[above] > 0) {
      const uint8_t before = nodes_[above].byte;
      const bool fits = before >= 0xc0 ? base::utf8_second_ok(before, byte) : (byte & 0xc0) == 0x80;
      own[i] = fits ? kCharacters : kLooseBytes;
      missing[i] = fits ? static_cast<uint8_t>(missing[above] - 1) : 0;
      continue;
    }
    const size_t length = base::utf8_expected_length(byte);
    own[i] = byte < 0x80 ? byte_class(byte) : (length == 0 ? kLooseBytes : kCharacters);
    missing[i] = length > 1 ? static_cast<uint8_t>(length - 1) : 0;
  }
  for (uint32_t i = n; i-- > 1;) nodes_[parent[i]].contents |= nodes_[i].contents | own[i];
}

uint32_t Vocabulary::child(uint32_t node, uint8_t byte) const {
  if (node == 0) return first_[byte];
  for (uint32_t n = node + 1; n < nodes_[node].behind; n = nodes_[n].behind) {
    if (nodes_[n].byte == byte) return n;
  }
  return 0;
}

int32_t Vocabulary::special_label(int32_t token) const {
  const auto found = std::lower_bound(labels_.begin(), labels_.end(), std::pair<int32_t, uint32_t>(token, 0));
  return found != labels_.end() && found->first == token ? static_cast<int32_t>(found->second) : -1;
}

bool Vocabulary::is_end(int32_t token) const { return std::binary_search(ends_.begin(), ends_.end(), token); }

bool Vocabulary::is_text(int32_t token) const {
  return token >= 0 && static_cast<size_t>(token) < text_.size() && text_[static_cast<size_t>(token)];
}

size_t Vocabulary::bytes() const { return nodes_.capacity() * sizeof(Node) + order_.capacity() * sizeof(int32_t); }

}  // namespace kedge::engine::grammar
