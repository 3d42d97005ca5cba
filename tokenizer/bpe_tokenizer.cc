#include "tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <array>
#include <span>

#include "kernels/base/utf8.h"

namespace kedge::tokenizer {

Error BpeTokenizer::bad_merge(size_t rank, const std::string& what) const {
  return {ErrorCode::kCorrupt,
          "tokenizer.ggml.merges[" + std::to_string(rank) + "] '" + vocab_.merges[rank].substr(0, 60) + "' " + what};
}

// Merges [first, last): what is looked up for all of them is asked for before the first of them needs it.
Status BpeTokenizer::add_merges(size_t first, size_t last) {
  struct Pair {
    std::string_view left, right;
    uint32_t left_hash, right_hash;
  };
  std::array<Pair, kMergesAtOnce> pairs;
  const std::span<const std::string> tokens = vocab_.tokens;
  for (size_t rank = first; rank < last; ++rank) {
    const std::string_view merge = vocab_.merges[rank];
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) {
      return bad_merge(rank, "is not two tokens separated by a space");
    }
    Pair& p = pairs[rank - first];
    p = {merge.substr(0, space), merge.substr(space + 1), 0, 0};
    vocab_.index.fetch_slot(p.left_hash = TokenIndex::hash(p.left));
    vocab_.index.fetch_slot(p.right_hash = TokenIndex::hash(p.right));
  }
  for (size_t i = 0; i < last - first; ++i) {
    vocab_.index.fetch_text(tokens, pairs[i].left_hash);
    vocab_.index.fetch_text(tokens, pairs[i].right_hash);
  }
  for (size_t rank = first; rank < last; ++rank) {
    const Pair& p = pairs[rank - first];
    const int32_t left = vocab_.index.find(tokens, p.left, p.left_hash);
    const int32_t right = vocab_.index.find(tokens, p.right, p.right_hash);
    if (left < 0 || right < 0) {
      return bad_merge(
          rank, std::string("names a token that does not exist (the ") + (left < 0 ? "left" : "right") + " one)");
    }
    const int32_t merged = find_merged(p.left, p.right);
    if (merged < 0) return bad_merge(rank, "makes a token that does not exist");
    if (is_guarded(merged)) {
      return bad_merge(rank, "makes special token " + std::to_string(merged) + "; text must not be able to");
    }
    merges_.insert(left, right, {static_cast<int32_t>(rank), merged});
    last_merged_ = merged;
  }
  return {};
}

// Merges come in the order of the tokens they make, nearly always.
int32_t BpeTokenizer::find_merged(std::string_view left, std::string_view right) {
  joined_.assign(left).append(right);
  const int32_t next = last_merged_ + 1;
  return token_text(next) == joined_ ? next : find(joined_);
}

// The ways to cut a token into two tokens.
void BpeTokenizer::add_splits(int32_t id, std::vector<std::pair<int32_t, int32_t>>* pairs) const {
  const std::string_view text = token_text(id);
  for (size_t i = 0; i < text.size();) {
    i += std::max<size_t>(utf8_char_length(text, i), 1);
    const int32_t left = find(text.substr(0, i));
    const int32_t right = find(text.substr(i));
    if (left >= 0 && right >= 0 && is_word(left) && is_word(right)) pairs->emplace_back(left, right);
  }
}

Status BpeTokenizer::load_merges() {
  if (!vocab_.merges.empty()) {
    merges_.reserve(vocab_.merges.size());
    const size_t n = vocab_.merges.size();
    for (size_t i = 0; i < n; i += kMergesAtOnce) KEDGE_TRY(add_merges(i, std::min(n, i + kMergesAtOnce)));
    vocab_.merges = {};
    return {};
  }
  std::vector<std::pair<int32_t, int32_t>> pairs;
  std::vector<int32_t> merged;
  for (int32_t id = 0; id < size(); ++id) {
    if (is_word(id)) add_splits(id, &pairs);
    merged.resize(pairs.size(), id);
  }
  merges_.reserve(pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i) merges_.insert(pairs[i].first, pairs[i].second, {merged[i], merged[i]});
  return {};
}

void BpeTokenizer::merge_symbols(Scratch* scratch) const {
  std::vector<Symbol>& symbols = scratch->symbols;
  std::vector<Candidate>& heap = scratch->heap;
  heap.clear();
  const auto candidate = [&](int32_t at, Candidate* c) {
    const Symbol& left = symbols[static_cast<size_t>(at)];
    if (left.next < 0) return false;
    const int32_t right = symbols[static_cast<size_t>(left.next)].id;
    const MergeTable::Merge* m = left.id < 0 || right < 0 ? nullptr : merges_.find(left.id, right);
    if (m == nullptr) return false;
    *c = {m->rank, at, left.id, right, m->id};
    return true;
  };
  const auto push = [&](int32_t at) {
    Candidate c;
    if (at < 0 || !candidate(at, &c)) return;
    heap.push_back(c);
    std::push_heap(heap.begin(), heap.end());
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    Candidate c;
    if (candidate(static_cast<int32_t>(i), &c)) heap.push_back(c);
  }
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate c = heap.back();
    heap.pop_back();
    Symbol& left = symbols[static_cast<size_t>(c.at)];
    // Stale if either side has been merged since; a swallowed symbol has the id -2.
    if (left.id != c.left || left.next < 0 || symbols[static_cast<size_t>(left.next)].id != c.right) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    left.id = c.merged;
    left.next = right.next;
    right.id = -2;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].prev = c.at;
    push(left.prev);
    push(c.at);
  }
}

Status BpeTokenizer::push_merged(std::string_view word, size_t begin, Scratch* scratch, Encoded* out) const {
  std::vector<Symbol>& symbols = scratch->symbols;
  if (symbols.empty()) return {};
  symbols.back().next = -1;
  merge_symbols(scratch);
  for (int32_t at = 0; at >= 0; at = symbols[static_cast<size_t>(at)].next) {
    const Symbol& s = symbols[static_cast<size_t>(at)];
    const int32_t id = s.id >= 0 ? s.id : vocab_.unk_id;
    if (id < 0) {
      return Error{ErrorCode::kUnsupported, "the vocabulary has no token for byte " +
                                                std::to_string(static_cast<unsigned char>(word[s.begin])) +
                                                ", and no unknown token"};
    }
    out->push(id, begin + s.begin);  // a symbol keeps the place of its first byte
  }
  return {};
}

}  // namespace kedge::tokenizer
