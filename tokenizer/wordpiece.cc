#include "tokenizer/wordpiece.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "tokenizer/bert_words.h"
#include "tokenizer/space_mark.h"

namespace kedge::tokenizer {
namespace {

constexpr size_t kMaxWordCharacters = 100;  // longer words are unknown

void append_utf8(uint32_t code, std::string* out) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes.data());
  out->append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(size));
}

class WordPieceTokenizer final : public Tokenizer {
 public:
  explicit WordPieceTokenizer(VocabData vocab) : Tokenizer(std::move(vocab)) {
    for (int32_t id = 0; id < size(); ++id) {
      const std::string_view text = token_text(id);
      const bool first = text.starts_with(kSpaceMark);
      const bool piece = !is_control(id) && type(id) != TokenType::kUserDefined;
      if (!piece) {
        pieces_.emplace_back(text);
        continue;
      }
      pieces_.push_back(first ? " " + std::string(text.substr(kSpaceMark.size())) : std::string(text));
      std::string_view word = text.substr(first ? kSpaceMark.size() : 0);
      longest_ = std::max(longest_, word.size());
      (first ? first_ : later_).emplace(word, id);
    }
    adds_space_ = true;  // in decode(): words begin with one
    index_tokens();
  }

 private:
  using Pieces = std::unordered_map<std::string_view, int32_t>;

  // Cleaned characters in UTF-8: `ends` are those of the characters, `from` the bytes of the text they come from.
  struct Word {
    std::string text;
    std::vector<size_t> ends;
    std::vector<size_t> from;
  };

  Status encode_fragment(std::string_view text, bool, Encoded* out) const override {
    Word word;
    for (const BertCharacter& c :
         bert_characters(text, {.lowercase = *vocab_.lowercase, .strip_accents = *vocab_.strip_accents})) {
      if (c.begins_word) KEDGE_TRY(encode_word(&word, out));
      append_utf8(c.code, &word.text);
      word.ends.push_back(word.text.size());
      word.from.push_back(c.from);
    }
    return encode_word(&word, out);
  }

  // Appends the pieces of the word and empties it.
  Status encode_word(Word* word, Encoded* out) const {
    if (word->text.empty()) return {};
    const size_t known = out->ids.size();
    const bool ok = word->ends.size() <= kMaxWordCharacters && push_pieces(*word, out);
    if (!ok) {
      out->ids.resize(known);
      if (out->begins != nullptr) out->begins->resize(known);
      if (unk() < 0) {
        return Error{ErrorCode::kUnsupported, "the vocabulary cannot express the word '" + word->text.substr(0, 60) +
                                                  "', and has no unknown token"};
      }
      out->push(unk(), word->from[0]);
    }
    *word = {};
    return {};
  }

  bool push_pieces(const Word& word, Encoded* out) const {
    const std::string_view text = word.text;
    size_t first = 0;  // character
    size_t begin = 0;  // its byte
    while (begin < text.size()) {
      const Pieces& pieces = first == 0 ? first_ : later_;
      size_t last = word.ends.size();
      auto at = pieces.end();
      for (; last > first; --last) {
        const size_t length = word.ends[last - 1] - begin;
        if (length > longest_) continue;
        at = pieces.find(text.substr(begin, length));
        if (at != pieces.end()) break;
      }
      if (last == first) return false;
      out->push(at->second, word.from[first]);
      begin = word.ends[last - 1];
      first = last;
    }
    return true;
  }

  Pieces first_;  // begin a word; views of the vocabulary
  Pieces later_;
  size_t longest_ = 0;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_wordpiece_tokenizer(VocabData vocab) {
  return std::unique_ptr<Tokenizer>(std::make_unique<WordPieceTokenizer>(std::move(vocab)));
}

}  // namespace kedge::tokenizer
