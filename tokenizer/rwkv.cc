#include "tokenizer/rwkv.h"

#include "tokenizer/special.h"
#include "tokenizer/vocab_kind.h"

namespace kedge::tokenizer {
namespace {

using vocab_message::in_quotes;
using vocab_message::key;

class RwkvTokenizer final : public Tokenizer {
 public:
  explicit RwkvTokenizer(VocabData vocab) : Tokenizer(std::move(vocab)) {}

  Status load() {
    pieces_.resize(vocab_.tokens.size());
    for (size_t i = 0; i < pieces_.size(); ++i) KEDGE_TRY(load_token(i));
    for (int32_t id = 0; id < size(); ++id) {
      if (type(id) == TokenType::kNormal && !piece(id).empty()) words_.add(piece(id), id);
    }
    words_.build();
    index_tokens();
    return {};
  }

 private:
  Status load_token(size_t i) {
    const std::string& text = vocab_.tokens[i];
    if (vocab_.types[i] != static_cast<int32_t>(TokenType::kNormal)) {
      pieces_[i] = text;
      return {};
    }
    const std::string name = key("tokens") + "[" + std::to_string(i) + "] ";
    if (!decode_escapes(text, &pieces_[i]))
      return Error{ErrorCode::kCorrupt,
                   name + in_quotes(text) + " has an escape that is none of \\t \\n \\r \\\\ \\' \\\" \\xHH"};
    if (pieces_[i].size() > kMaxSpecialBytes) {  // keeps the search linear
      return Error{ErrorCode::kCapacity, name + "has " + std::to_string(pieces_[i].size()) +
                                             " bytes; the limit of a 'rwkv' vocabulary is " +
                                             std::to_string(kMaxSpecialBytes)};
    }
    return {};
  }

  Status encode_fragment(std::string_view text, bool, Encoded* out) const override {
    for (size_t at = 0; at < text.size();) {
      const SpecialTokens::Match match = words_.find(text, at);
      const size_t known = match.id < 0 ? text.size() : match.begin;
      for (; at < known; ++at) {
        if (unk() < 0) {
          return Error{ErrorCode::kUnsupported, "the vocabulary has no token for byte " +
                                                    std::to_string(static_cast<unsigned char>(text[at])) +
                                                    ", and no unknown token"};
        }
        out->push(unk(), at);
      }
      if (match.id >= 0) out->push(match.id, at);
      at += match.length;
    }
    return {};
  }

  SpecialTokens words_;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

bool decode_escapes(std::string_view text, std::string* bytes) {
  static constexpr std::string_view kLetters = "tnr\\'\"";
  static constexpr std::string_view kBytes = "\t\n\r\\'\"";
  bytes->clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes->push_back(text[i]);
      continue;
    }
    if (++i == text.size()) return false;
    if (const size_t letter = kLetters.find(text[i]); letter != std::string_view::npos) {
      bytes->push_back(kBytes[letter]);
      continue;
    }
    if (text[i] != 'x' || i + 2 >= text.size()) return false;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return false;
    bytes->push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return true;
}

Result<std::unique_ptr<Tokenizer>> make_rwkv_tokenizer(VocabData vocab) {
  auto tokenizer = std::make_unique<RwkvTokenizer>(std::move(vocab));
  KEDGE_TRY(tokenizer->load());
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace kedge::tokenizer
