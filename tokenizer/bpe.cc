#include "tokenizer/bpe.h"

#include <unordered_map>

#include "kernels/base/utf8.h"
#include "tokenizer/bpe_tokenizer.h"
#include "tokenizer/metaspace_bpe.h"
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

class ByteBpeTokenizer final : public BpeTokenizer {
 public:
  ByteBpeTokenizer(VocabData vocab, Pretokenizer pretokenizer)
      : BpeTokenizer(std::move(vocab)), pretokenizer_(std::move(pretokenizer)) {
    byte_ids_.fill(-1);
    pieces_.reserve(vocab_.tokens.size());
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

 private:
  std::string make_piece(int32_t id) const {
    const std::string_view text = token_text(id);
    std::string bytes;
    if (type(id) == TokenType::kByte) return std::string(1, static_cast<char>(parse_byte_token(text)));
    if (is_word(id) && decode_byte_level(text, &bytes)) return bytes;
    return std::string(text);
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
    scratch->symbols.clear();
    for (size_t i = 0; i < word.size(); ++i) scratch->push(byte_ids_[static_cast<unsigned char>(word[i])], i);
    return push_merged(word, begin, scratch, out);
  }

  Pretokenizer pretokenizer_;
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
  if (rules->metaspace) return make_metaspace_bpe_tokenizer(std::move(vocab));
  KEDGE_ASSIGN(pretokenizer, Pretokenizer::make(*rules));
  auto tokenizer = std::make_unique<ByteBpeTokenizer>(std::move(vocab), std::move(pretokenizer));
  KEDGE_TRY(tokenizer->load_merges());
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace kedge::tokenizer
