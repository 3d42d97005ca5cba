// Debian ships no header for sentencepiece's model proto, and GGUF holds arrays: the few fields needed are written
// here.
#include <bit>
#include <cstdint>
#include <string>

#include "kernels/base/utf8.h"
#include "tokenizer/spm.h"

namespace kedge::tokenizer {
namespace {

enum PieceType : uint64_t { kNormalPiece = 1, kUnknownPiece = 2, kControlPiece = 3, kUnusedPiece = 5, kBytePiece = 6 };

void put_varint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void put_number(uint32_t field, uint64_t value, std::string* out) {
  put_varint(field << 3, out);
  put_varint(value, out);
}

void put_bytes(uint32_t field, std::string_view value, std::string* out) {
  put_varint(field << 3 | 2, out);
  put_varint(value.size(), out);
  out->append(value);
}

void put_float(uint32_t field, float value, std::string* out) {
  put_varint(field << 3 | 5, out);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) out->push_back(static_cast<char>(bits >> shift));
}

void put_piece(std::string_view text, float score, PieceType type, std::string* out) {
  std::string piece;
  put_bytes(1, text, &piece);
  put_float(2, score, &piece);
  put_number(3, type, &piece);
  put_bytes(1, piece, out);
}

std::string byte_name(int byte) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

}  // namespace

std::string sentencepiece_model(const VocabData& v) {
  std::string out;
  bool has_unknown = false;
  bool has_bytes = false;
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    const auto type = static_cast<TokenType>(v.types[i]);
    // A name no valid text contains: what must not be found in text is not there to be found.
    std::string hidden = "\xff";
    hidden += std::to_string(i);
    if (static_cast<int32_t>(i) == v.unk_id && type != TokenType::kNormal) {
      put_piece(hidden, v.scores[i], kUnknownPiece, &out);
      has_unknown = true;
    } else if (type == TokenType::kByte) {
      put_piece(byte_name(parse_byte_token(v.tokens[i])), v.scores[i], kBytePiece, &out);
      has_bytes = true;
    } else if ((type == TokenType::kNormal || type == TokenType::kUnused) && utf8_valid(v.tokens[i])) {
      put_piece(v.tokens[i], v.scores[i], type == TokenType::kUnused ? kUnusedPiece : kNormalPiece, &out);
    } else {
      put_piece(hidden, v.scores[i], kControlPiece, &out);
    }
  }
  if (!has_unknown) put_piece("\xff?", 0.0f, kUnknownPiece, &out);

  const bool unigram = v.model == "t5";
  std::string trainer;
  put_number(3, unigram ? 1 : 2, &trainer);  // model_type
  put_number(35, has_bytes ? 1 : 0, &trainer);
  put_bytes(2, trainer, &out);

  std::string normalizer;
  put_bytes(1, "identity", &normalizer);
  put_number(3, 0, &normalizer);  // add_dummy_prefix: spm.cc puts the space, since only it knows where text begins
  put_number(4, 0, &normalizer);  // remove_extra_whitespaces
  put_number(5, 1, &normalizer);  // escape_whitespaces
  put_bytes(3, normalizer, &out);
  return out;
}

}  // namespace kedge::tokenizer
