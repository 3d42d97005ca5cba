// Byte-pair merging by score, as SentencePiece's BPE models do it. libsentencepiece is the oracle of the tests; it is not
// used itself because its results are protocol buffers, whose containers end the process when memory runs out.
// Source: Kudo and Richardson 2018 (arXiv 1808.06226), Sennrich et al. 2016 (arXiv 1508.07909).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kedge {

class SpmMerges {
 public:
  // A piece that merges may make. `unused`: it is cut again into what it was made of.
  void add(std::string piece, int32_t id, float score, bool unused) {
    pieces_.emplace(std::move(piece), Piece{id, score, unused});
  }

  struct Part {
    std::string_view text;
    int32_t id;  // -1: a character that no piece has
  };
  // Of valid UTF-8: the characters, the neighbours with the best score merged first (of equal ones the leftmost), until
  // no two make a piece. The parts, one after the other, are the text.
  std::vector<Part> cut(std::string_view text) const;

 private:
  struct Piece {
    int32_t id;
    float score;
    bool unused;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  class Run;
  std::unordered_map<std::string, Piece, Hash, std::equal_to<>> pieces_;
};

}  // namespace kedge
