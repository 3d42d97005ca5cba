// What the two kinds of BPE vocabularies share: merges by rank over a list of symbols (Sennrich et al. 2016).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/merge_table.h"
#include "tokenizer/tokenizer.h"

namespace kedge::tokenizer {

class BpeTokenizer : public Tokenizer {
 public:
  // Fills the table from the vocabulary; call it before encoding. A vocabulary without merges gets those of tiktoken:
  // any two tokens whose join is a token merge, those first whose join has the lowest id. Errors: kCorrupt.
  Status load_merges();

 protected:
  struct Symbol {
    int32_t id;  // -1: no token
    int32_t prev;
    int32_t next;
    uint32_t begin;  // byte of the word
  };
  struct Candidate {
    int32_t rank;
    int32_t at;
    int32_t left;
    int32_t right;
    int32_t merged;
    bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : at > o.at; }  // for a max-heap
  };
  // Buffers of one encode_fragment() call.
  struct Scratch {
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
    std::vector<size_t> ends;

    void push(int32_t id, size_t begin) {
      const auto at = static_cast<int32_t>(symbols.size());
      symbols.push_back({id, at - 1, at + 1, static_cast<uint32_t>(begin)});
    }
  };

  using Tokenizer::Tokenizer;

  // Tokens written in letters, which merging may produce.
  bool is_word(int32_t id) const {
    const TokenType t = type(id);
    return t == TokenType::kNormal || t == TokenType::kUnused || t == TokenType::kUndefined;
  }

  // Replaces the pair of lowest rank (of equals the leftmost) by its merge until no pair has one.
  void merge_symbols(Scratch* scratch) const;

  // Merges the symbols of `word`, which begins at byte `begin` of the fragment, and appends what is left of them.
  Status push_merged(std::string_view word, size_t begin, Scratch* scratch, Encoded* out) const;

 private:
  static constexpr size_t kMergesAtOnce = 32;
  Status add_merges(size_t first, size_t last);
  int32_t find_merged(std::string_view left, std::string_view right);
  Error bad_merge(size_t rank, const std::string& what) const;
  void add_splits(int32_t id, std::vector<std::pair<int32_t, int32_t>>* pairs) const;

  MergeTable merges_;
  int32_t last_merged_ = -1;  // these two while merges are added
  std::string joined_;
};

}  // namespace kedge::tokenizer
