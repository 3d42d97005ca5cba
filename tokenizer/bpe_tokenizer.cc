#include "tokenizer/bpe_tokenizer.h"

#include <algorithm>

#include "kernels/base/utf8.h"

namespace kedge::tokenizer {

// `joined`: memory from merge to merge.
Status BpeTokenizer::add_merge(size_t rank, std::string* joined) {
  const std::string& merge = vocab_.merges[rank];
  const auto error = [&](const std::string& what) {
    return Error{ErrorCode::kCorrupt,
                 "tokenizer.ggml.merges[" + std::to_string(rank) + "] '" + merge.substr(0, 60) + "' " + what};
  };
  const size_t space = merge.find(' ', 1);
  if (space == std::string::npos || space + 1 == merge.size()) return error("is not two tokens separated by a space");
  const std::string_view left = std::string_view(merge).substr(0, space);
  const std::string_view right = std::string_view(merge).substr(space + 1);
  const int32_t left_id = find(left);
  const int32_t right_id = find(right);
  joined->assign(left).append(right);
  const int32_t merged = find(*joined);
  if (left_id < 0 || right_id < 0)
    return error(std::string("names a token that does not exist (the ") + (left_id < 0 ? "left" : "right") + " one)");
  if (merged < 0) return error("makes a token that does not exist");
  if (is_guarded(merged)) return error("makes special token " + std::to_string(merged) + "; text must not be able to");
  merges_.insert(left_id, right_id, {static_cast<int32_t>(rank), merged});
  return {};
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
    std::string joined;
    for (size_t rank = 0; rank < vocab_.merges.size(); ++rank) KEDGE_TRY(add_merge(rank, &joined));
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
