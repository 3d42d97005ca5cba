#include "tokenizer/bpe.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <unordered_map>

#include "kernels/base/utf8.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/pretokenizers.h"

namespace kedge::tokenizer {
namespace {

// The byte for each code point of the byte-level alphabet, -1 for none.
std::array<int16_t, 512> byte_alphabet() {
  std::array<int16_t, 512> byte_of;
  byte_of.fill(-1);
  size_t next = 256;
  for (size_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    byte_of[printable ? byte : next++] = static_cast<int16_t>(byte);
  }
  return byte_of;
}

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(VocabData vocab, Pretokenizer pretokenizer)
      : Tokenizer(std::move(vocab)), pretokenizer_(std::move(pretokenizer)) {
    byte_ids_.fill(-1);
    for (int32_t id = 0; id < size(); ++id) pieces_.push_back(make_piece(id));
    index_tokens();
    for (int32_t id = 0; id < size(); ++id) {
      const std::string& bytes = pieces_[static_cast<size_t>(id)];
      const bool byte_token = type(id) == TokenType::kByte;
      if ((!is_word(id) && !byte_token) || bytes.empty()) continue;
      auto& byte_id = byte_ids_[static_cast<unsigned char>(bytes[0])];
      if (bytes.size() == 1 && (byte_id < 0 || !byte_token)) byte_id = id;
      if (*vocab_.ignore_merges && is_word(id)) words_.emplace(bytes, id);
    }
  }

  Status load_merges() {
    merges_.reserve(vocab_.merges.size());
    for (size_t rank = 0; rank < vocab_.merges.size(); ++rank) KEDGE_TRY(add_merge(rank));
    return {};
  }

 private:
  struct Symbol {
    int32_t id;
    int32_t prev;
    int32_t next;
    char byte;
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
  };

  // Tokens written in the byte-level alphabet, which merging may produce.
  bool is_word(int32_t id) const {
    const TokenType t = type(id);
    return t == TokenType::kNormal || t == TokenType::kUnused || t == TokenType::kUndefined;
  }

  std::string make_piece(int32_t id) const {
    const std::string_view text = token_text(id);
    std::string bytes;
    if (type(id) == TokenType::kByte) return std::string(1, static_cast<char>(parse_byte_token(text)));
    if (is_word(id) && decode_byte_level(text, &bytes)) return bytes;
    return std::string(text);
  }

  Status add_merge(size_t rank) {
    const std::string& merge = vocab_.merges[rank];
    const auto error = [&](const std::string& what) {
      return Error{ErrorCode::kCorrupt,
                   "tokenizer.ggml.merges[" + std::to_string(rank) + "] '" + merge.substr(0, 60) + "' " + what};
    };
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos || space + 1 == merge.size()) return error("is not two tokens separated by a space");
    const std::string left = merge.substr(0, space);
    const std::string right = merge.substr(space + 1);
    const int32_t left_id = find(left);
    const int32_t right_id = find(right);
    const int32_t merged = find(left + right);
    if (left_id < 0 || right_id < 0)
      return error(std::string("names a token that does not exist (the ") + (left_id < 0 ? "left" : "right") + " one)");
    if (merged < 0) return error("makes a token that does not exist");
    if (is_guarded(merged))
      return error("makes special token " + std::to_string(merged) + "; text must not be able to");
    merges_.insert(left_id, right_id, {static_cast<int32_t>(rank), merged});
    return {};
  }

  Status encode_fragment(std::string_view text, bool, Encoded* out) const override {
    Scratch scratch;
    for (size_t i = 0; i < text.size();) {
      const size_t valid = utf8_valid_until(text, i);
      KEDGE_TRY(pretokenizer_.split(text.substr(i, valid - i), &scratch.ends));
      size_t begin = i;
      for (const size_t end : scratch.ends) {
        KEDGE_TRY(encode_word(text.substr(begin, i + end - begin), begin, &scratch, out));
        begin = i + end;
      }
      // Patterns know only UTF-8; a run of other bytes is a word of its own.
      size_t next = valid;
      while (next < text.size() && utf8_char_length(text, next) == 0) ++next;
      if (next > valid) KEDGE_TRY(encode_word(text.substr(valid, next - valid), valid, &scratch, out));
      i = next;
    }
    return {};
  }

  Status encode_word(std::string_view word, size_t begin, Scratch* scratch, Encoded* out) const {
    if (*vocab_.ignore_merges) {
      const auto at = words_.find(word);
      if (at != words_.end()) {
        out->push(at->second, begin);
        return {};
      }
    }
    std::vector<Symbol>& symbols = scratch->symbols;
    symbols.clear();
    for (size_t i = 0; i < word.size(); ++i) {
      const auto at = static_cast<int32_t>(i);
      symbols.push_back({byte_ids_[static_cast<unsigned char>(word[i])], at - 1, at + 1, word[i]});
    }
    symbols.back().next = -1;
    merge_symbols(scratch);
    for (int32_t at = 0; at >= 0; at = symbols[static_cast<size_t>(at)].next) {
      const Symbol& s = symbols[static_cast<size_t>(at)];
      const int32_t id = s.id >= 0 ? s.id : vocab_.unk_id;
      if (id < 0) {
        return Error{ErrorCode::kUnsupported, "the vocabulary has no token for byte " +
                                                  std::to_string(static_cast<unsigned char>(s.byte)) +
                                                  ", and no unknown token"};
      }
      out->push(id, begin + static_cast<size_t>(at));  // a symbol keeps the place of its first byte
    }
    return {};
  }

  // Replaces the pair of lowest rank (of equals the leftmost) by its merge until no pair has one.
  void merge_symbols(Scratch* scratch) const {
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

  Pretokenizer pretokenizer_;
  MergeTable merges_;
  std::array<int32_t, 256> byte_ids_;
  std::unordered_map<std::string_view, int32_t> words_;  // only with ignore_merges; views of pieces_
};

}  // namespace

bool decode_byte_level(std::string_view text, std::string* bytes) {
  static const std::array<int16_t, 512> byte_of = byte_alphabet();
  bytes->clear();
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_char_length(text, i);
    if (length == 0) return false;
    const uint32_t cp = utf8_code_point(text, i, length);
    if (cp >= byte_of.size() || byte_of[cp] < 0) return false;
    bytes->push_back(static_cast<char>(byte_of[cp]));
    i += length;
  }
  return true;
}

Result<std::unique_ptr<Tokenizer>> make_bpe_tokenizer(VocabData vocab) {
  KEDGE_ASSIGN(rules, find_pretokenizer(vocab.pre));
  KEDGE_ASSIGN(pretokenizer, Pretokenizer::make(*rules));
  auto tokenizer = std::make_unique<BpeTokenizer>(std::move(vocab), std::move(pretokenizer));
  KEDGE_TRY(tokenizer->load_merges());
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace kedge::tokenizer
