#include "tokenizer/metaspace_bpe.h"

#include <array>
#include <bitset>

#include "kernels/base/utf8.h"
#include "tokenizer/bpe_tokenizer.h"
#include "tokenizer/space_mark.h"

namespace kedge::tokenizer {
namespace {

class MetaspaceBpeTokenizer final : public BpeTokenizer {
 public:
  explicit MetaspaceBpeTokenizer(VocabData vocab) : BpeTokenizer(std::move(vocab)) {
    byte_ids_.fill(-1);
    for (int32_t id = 0; id < size(); ++id) {
      const std::string_view text = token_text(id);
      if (type(id) == TokenType::kByte) {
        const int byte = parse_byte_token(text);
        byte_ids_[static_cast<size_t>(byte)] = id;
        pieces_.push_back(std::string(1, static_cast<char>(byte)));
        continue;
      }
      pieces_.push_back(is_guarded(id) ? std::string(text) : unescape_spaces(text));
      // Nothing merges over a place in front of a space but tokens that have one inside.
      for (size_t at = text.find(kSpaceMark, 1); is_word(id) && at != std::string_view::npos;
           at = text.find(kSpaceMark, at + 1)) {
        joins_space_.set(static_cast<unsigned char>(text[at - 1]));
      }
    }
    index_tokens();
  }

 private:
  Status encode_fragment(std::string_view text, bool, Encoded* out) const override {
    Scratch scratch;
    size_t begin = 0;  // of the part that is merged as one; spaces divide it, or a long text would be one heap
    for (size_t i = 0; i < text.size();) {
      const bool divides = text[i] == ' ' && i > begin && text[i - 1] != ' ' && !joins(text[i - 1]);
      if (divides) {
        KEDGE_TRY(push_merged(text.substr(begin, i - begin), begin, &scratch, out));
        scratch.symbols.clear();
        begin = i;
      }
      i += push_character(text, i, begin, &scratch);
    }
    return push_merged(text.substr(begin), begin, &scratch, out);
  }

  bool joins(char last) const { return joins_space_.test(static_cast<unsigned char>(last)); }

  // The symbol of the character at byte `i`, or those of its bytes. Its length.
  size_t push_character(std::string_view text, size_t i, size_t begin, Scratch* scratch) const {
    const size_t length = std::max<size_t>(utf8_char_length(text, i), 1);
    const std::string_view character = text.substr(i, length);
    const std::string_view written = character == " " ? kSpaceMark : character;
    // A literal mark would come back as a space.
    const int32_t id = character == kSpaceMark ? -1 : find(written);
    if (id >= 0 && is_word(id)) {
      scratch->push(id, i - begin);
      return length;
    }
    for (size_t k = 0; k < length; ++k) {
      scratch->push(byte_ids_[static_cast<unsigned char>(text[i + k])], i + k - begin);
    }
    return length;
  }

  std::array<int32_t, 256> byte_ids_;
  std::bitset<256> joins_space_;  // last bytes of characters that some token has in front of a space
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_metaspace_bpe_tokenizer(VocabData vocab) {
  auto tokenizer = std::make_unique<MetaspaceBpeTokenizer>(std::move(vocab));
  KEDGE_TRY(tokenizer->load_merges());
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace kedge::tokenizer
