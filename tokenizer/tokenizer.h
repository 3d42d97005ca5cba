// Text to tokens and back. One interface over SentencePiece vocabularies (spm.h) and byte-level BPE (bpe.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "tokenizer/special.h"
#include "tokenizer/vocab.h"

namespace kedge::tokenizer {

// Longest text encode() takes, in bytes.
inline constexpr size_t kMaxTextBytes = size_t{256} << 20;

struct EncodeOptions {
  // Put the beginning-of-text token before and the end-of-text token behind, where the vocabulary wants them.
  bool add_special = true;
  // Recognise control tokens and markup-like user-defined tokens written out in the text. Leave it off for text that
  // comes from outside: then no text whatever can become one of them. User-defined tokens that are plain text (runs of
  // spaces, single letters: see is_markup) are part of ordinary segmentation and recognised always.
  bool parse_special = false;
  // The text as it is, also where the vocabulary's own tokenizer puts it into Unicode NFC first (VocabData::nfc).
  bool exact_bytes = false;
};

struct DecodeOptions {
  bool skip_special = false;         // leave control tokens (see is_control) out
  bool remove_leading_space = true;  // undo the space that encode() put before text ("llama" vocabularies)
  bool at_text_start = true;  // the first token begins a text (encode() put a space there), or follows a special token
};

// Const, immutable and thread-safe. Owns its vocabulary. No exception leaves it.
//
// decode(encode(x)) == x for every byte string x if the vocabulary has a token for every byte; NFC(x) where it was
// trained on that and exact_bytes is off. Where it has not, text it cannot express becomes the unknown token, as the
// vocabulary defines, or an error if there is none.
class Tokenizer {
 public:
  // Checks the vocabulary and builds the tokenizer of its kind. Errors: kCorrupt, kCapacity, kUnsupported; the message
  // names the key, the value and the limit; an unknown pre-tokeniser is named.
  static Result<std::unique_ptr<Tokenizer>> make(VocabData vocab);

  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // `begins`, where given, gets the byte of the text at which each token begins: ascending, several tokens of one
  // character share it. Errors: kCapacity (text longer than kMaxTextBytes, or a pre-tokeniser's limit), kUnsupported
  // (no token for a byte).
  Result<std::vector<int32_t>> encode(std::string_view text, EncodeOptions options = {},
                                      std::vector<size_t>* begins = nullptr) const;
  // Errors: kInvalidArgument (an id that is not in the vocabulary).
  Result<std::string> decode(std::span<const int32_t> ids, DecodeOptions options = {}) const;

  int32_t size() const { return static_cast<int32_t>(vocab_.tokens.size()); }
  bool contains(int32_t id) const { return id >= 0 && id < size(); }
  // The bytes a token stands for (not always whole characters). Control tokens stand for their text. Empty for an id
  // that is not in the vocabulary. The view lives as long as the tokenizer; so does that of token_text().
  std::string_view piece(int32_t id) const;
  // The token as the vocabulary writes it (with U+2581 or byte-level letters).
  std::string_view token_text(int32_t id) const;
  // The token written so in the vocabulary, -1 if there is none.
  int32_t find(std::string_view token_text) const;

  TokenType type(int32_t id) const;
  // Control and unknown tokens: never part of ordinary text.
  bool is_control(int32_t id) const;
  // Ends a generation: end of text, of turn, of message, and what the vocabulary has besides.
  bool is_eog(int32_t id) const;
  int32_t bos() const { return vocab_.bos_id; }  // -1 if there is none; so for the others
  int32_t eos() const { return vocab_.eos_id; }
  int32_t eot() const { return vocab_.eot_id; }
  int32_t unk() const { return vocab_.unk_id; }
  bool add_bos() const { return *vocab_.add_bos; }
  bool add_eos() const { return *vocab_.add_eos; }
  // Whether encode() puts a space before text and after special tokens.
  bool adds_space() const { return adds_space_; }
  // The vocabulary after resolve_vocab(), without merges: those are in tables by then.
  const VocabData& vocab() const { return vocab_; }

  // SHA-256 (hex) over the vocabulary and every setting: equal for two models if and only if they tokenize alike.
  const std::string& fingerprint() const { return fingerprint_; }

 protected:
  // `vocab` is resolved. Subclasses fill pieces_ and then call index_tokens().
  explicit Tokenizer(VocabData vocab);
  void index_tokens();
  // Whether the token is matched in text only when special tokens are parsed.
  bool is_guarded(int32_t id) const;

  // Tokens so far, and where they begin, if somebody asked.
  struct Encoded {
    std::vector<int32_t> ids;
    std::vector<size_t>* begins = nullptr;
    void push(int32_t id, size_t begin) {
      ids.push_back(id);
      if (begins != nullptr) begins->push_back(begin);
    }
  };
  // Appends the tokens of text without special tokens; they begin at bytes of `text`. `after_special`: it begins the
  // text or follows a special token.
  virtual Status encode_fragment(std::string_view text, bool after_special, Encoded* out) const = 0;

  VocabData vocab_;
  std::vector<std::string> pieces_;
  bool adds_space_ = false;

 private:
  Status encode_plain(std::string_view text, size_t begin, size_t end, bool after_special, bool exact,
                      Encoded* out) const;

  SpecialTokens plain_;    // recognised always
  SpecialTokens special_;  // those and the ones recognised on request
  std::string fingerprint_;
};

// Decodes token by token, as decode() does for all at once. Borrows the tokenizer. One thread at a time.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, DecodeOptions options = {})
      : tokenizer_(&tokenizer), options_(options), after_special_(options.at_text_start) {}

  // Appends the token's bytes. Errors: kInvalidArgument (an id that is not in the vocabulary).
  Status push(int32_t id, std::string* out);

 private:
  const Tokenizer* tokenizer_;
  DecodeOptions options_;
  bool after_special_;
};

}  // namespace kedge::tokenizer
