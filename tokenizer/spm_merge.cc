#include "tokenizer/spm_merge.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "kernels/base/utf8.h"

namespace kedge::tokenizer {
namespace {

// The pieces that text is made of; everything else is found before text comes here.
int32_t find_piece(const VocabData& v, std::string_view text) {
  const int32_t id = v.find(text);
  if (id < 0) return -1;
  const auto type = static_cast<TokenType>(v.types[static_cast<size_t>(id)]);
  if (type == TokenType::kNormal) return id;
  return type == TokenType::kUnused && id != v.unk_id ? id : -1;
}

class Merger {
 public:
  Merger(const VocabData& vocab, std::string_view text) : v_(vocab), text_(text) {
    for (size_t i = 0; i < text.size();) {
      const size_t length = std::max<size_t>(utf8_char_length(text, i), 1);
      const auto at = static_cast<int32_t>(symbols_.size());
      symbols_.push_back({i, length, at - 1, at + 1});
      i += length;
    }
    if (!symbols_.empty()) symbols_.back().next = -1;
  }

  std::vector<SpmSegment> run() {
    for (int32_t at = 0; at + 1 < static_cast<int32_t>(symbols_.size()); ++at) consider(at);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const Candidate c = heap_.back();
      heap_.pop_back();
      Symbol& left = symbol(c.at);
      // Stale when either side has been merged since.
      if (left.size == 0 || left.next < 0 || left.size + symbol(left.next).size != c.size) continue;
      Symbol& right = symbol(left.next);
      left.size += std::exchange(right.size, 0);
      left.next = right.next;
      if (left.next >= 0) symbol(left.next).prev = c.at;
      if (left.prev >= 0) consider(left.prev);
      consider(c.at);
    }
    std::vector<SpmSegment> out;
    for (int32_t at = symbols_.empty() ? -1 : 0; at >= 0; at = symbol(at).next) {
      emit(text_.substr(symbol(at).begin, symbol(at).size), &out);
    }
    return out;
  }

 private:
  struct Symbol {
    size_t begin;
    size_t size;  // 0: part of the one to the left
    int32_t prev;
    int32_t next;
  };
  struct Candidate {
    float score;
    int32_t at;   // its left symbol
    size_t size;  // of both
    bool operator<(const Candidate& o) const { return score != o.score ? score < o.score : at > o.at; }  // a max-heap
  };

  Symbol& symbol(int32_t at) { return symbols_[static_cast<size_t>(at)]; }

  // Whether the symbol and the next one merge.
  void consider(int32_t at) {
    const Symbol& left = symbol(at);
    if (left.next < 0) return;
    const std::string_view joined = text_.substr(left.begin, left.size + symbol(left.next).size);
    const int32_t id = find_piece(v_, joined);
    if (id < 0) return;
    heap_.push_back({v_.scores[static_cast<size_t>(id)], at, joined.size()});
    std::push_heap(heap_.begin(), heap_.end());
    if (is_unused(id)) made_of_[joined] = left.size;
  }

  bool is_unused(int32_t id) const {
    return static_cast<TokenType>(v_.types[static_cast<size_t>(id)]) == TokenType::kUnused;
  }

  // The parts of unused pieces in turn, which are no longer than the piece: the recursion ends.
  void emit(std::string_view piece, std::vector<SpmSegment>* out) const {
    const int32_t id = find_piece(v_, piece);
    const auto parts = id >= 0 && is_unused(id) ? made_of_.find(piece) : made_of_.end();
    if (parts == made_of_.end()) {
      out->push_back({piece, id});
      return;
    }
    emit(piece.substr(0, parts->second), out);
    emit(piece.substr(parts->second), out);
  }

  const VocabData& v_;
  std::string_view text_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
  std::unordered_map<std::string_view, size_t> made_of_;  // unused pieces: bytes of the left part, as last met
};

}  // namespace

std::vector<SpmSegment> spm_segments(const VocabData& vocab, std::string_view text) {
  return Merger(vocab, text).run();
}

}  // namespace kedge::tokenizer
