#include "tokenizer/spm.h"

#include <sentencepiece_processor.h>

#include <array>
#include <vector>

#include "kernels/base/utf8.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/space_mark.h"
#include "tokenizer/spm_memory.h"

// In the library, not in its header.
namespace sentencepiece::logging {
void SetMinLogLevel(int v);
}

namespace kedge::tokenizer {
namespace {

// A fragment as sentencepiece gets it, and the byte of the fragment that each of its bytes stands for.
struct Prepared {
  std::string text;
  std::vector<size_t> from;

  void push(char c, size_t at) {
    text.push_back(c);
    from.push_back(at);
  }
  // Runs of spaces to one, none at the ends: what sentencepiece does when a vocabulary asks for it.
  void squeeze(std::string_view fragment) {
    for (size_t i = 0; i < fragment.size(); ++i) {
      if (fragment[i] != ' ' || (!text.empty() && text.back() != ' ')) push(fragment[i], i);
    }
    if (!text.empty() && text.back() == ' ') text.pop_back();
  }
};

class SpmTokenizer final : public Tokenizer {
 public:
  explicit SpmTokenizer(VocabData vocab) : Tokenizer(std::move(vocab)) {
    byte_ids_.fill(-1);
    bool has_space = false;
    for (int32_t id = 0; id < size(); ++id) {
      const std::string& text = vocab_.tokens[static_cast<size_t>(id)];
      const TokenType t = type(id);
      if (t == TokenType::kByte) {
        const int byte = parse_byte_token(text);
        byte_ids_[static_cast<size_t>(byte)] = id;
        pieces_.push_back(std::string(1, static_cast<char>(byte)));
      } else if (is_guarded(id)) {
        pieces_.push_back(text);
      } else {
        pieces_.push_back(unescape_spaces(text));
      }
      has_space = has_space || (text == kSpaceMark && t == TokenType::kNormal);
    }
    has_bytes_ = byte_ids_[0] >= 0;
    // Without a piece for the mark a space can only be its byte; a space put in front could not be told apart then.
    space_as_byte_ = !has_space && has_bytes_;
    adds_space_ = *vocab_.add_space_prefix && !space_as_byte_;
    index_tokens();
  }

  Status load() {
    KEDGE_ASSIGN(charsmap, Charsmap::make(vocab_.precompiled_charsmap));
    charsmap_ = std::move(charsmap);
    const std::string model = sentencepiece_model(vocab_);
    const SpmMemory memory(model.size());
    KEDGE_TRY(memory.status());
    const auto status = processor_.LoadFromSerializedProto(model);
    KEDGE_TRY(memory.status());
    if (!status.ok()) {
      return Error{ErrorCode::kCorrupt,
                   std::string("tokenizer.ggml.tokens: sentencepiece refuses the vocabulary: ") + status.message()};
    }
    return {};
  }

 private:
  Status encode_fragment(std::string_view fragment, bool after_special, Encoded* out) const override {
    Prepared prepared;
    std::string_view text = fragment;
    std::string mapped;
    std::vector<size_t> mapped_from;
    if (!charsmap_.empty()) {
      charsmap_.apply(fragment, &mapped, &mapped_from);
      text = mapped;
    }
    const bool spaced = after_special && adds_space_;
    if (vocab_.remove_extra_whitespaces) {
      prepared.squeeze(text);
      if (prepared.text.empty()) return {};
      text = prepared.text;
    }
    std::string with_space;
    if (spaced) {
      with_space.reserve(text.size() + 1);
      with_space.push_back(' ');
      with_space.append(text);
      text = with_space;
    }
    const size_t known = out->ids.size();
    KEDGE_TRY(encode_prepared(text, out));
    if (out->begins == nullptr) return {};
    for (size_t i = known; i < out->begins->size(); ++i) {
      size_t& at = (*out->begins)[i];
      if (spaced && at > 0) --at;
      if (vocab_.remove_extra_whitespaces) at = prepared.from[at];
      if (!charsmap_.empty()) at = mapped_from[at];
    }
    return {};
  }

  // sentencepiece would replace what is not UTF-8, and read a mark in the text as a space. Both would be lost, so they
  // go in as bytes and it sees only what lies between.
  Status encode_prepared(std::string_view text, Encoded* out) const {
    size_t begin = 0;
    size_t i = 0;
    while (i < text.size()) {
      const size_t length = utf8_char_length(text, i);
      const bool as_byte = length == 0 || (has_bytes_ && is_literal(text, i, length));
      if (as_byte) {
        KEDGE_TRY(encode_valid(text.substr(begin, i - begin), begin, out));
        const size_t n = length == 0 ? 1 : length;
        for (size_t k = 0; k < n; ++k) KEDGE_TRY(encode_byte(text[i + k], i + k, out));
        begin = i + n;
      }
      i += length == 0 ? 1 : length;
    }
    return encode_valid(text.substr(begin), begin, out);
  }

  // Characters that decode to themselves only as bytes.
  bool is_literal(std::string_view text, size_t i, size_t length) const {
    if (length == 1) return text[i] == '\0' || (space_as_byte_ && text[i] == ' ');
    return length == 3 && text.substr(i, 3) == kSpaceMark;
  }

  Status encode_byte(char byte, size_t at, Encoded* out) const {
    const auto value = static_cast<unsigned char>(byte);
    const int32_t id = has_bytes_ ? byte_ids_[value] : vocab_.unk_id;
    if (id < 0) {
      return Error{ErrorCode::kUnsupported,
                   "the vocabulary has no token for byte " + std::to_string(value) + ", and no unknown token"};
    }
    out->push(id, at);
    return {};
  }

  Status encode_valid(std::string_view text, size_t begin, Encoded* out) const {
    if (text.empty()) return {};
    std::vector<int> ids;
    std::vector<std::string> pieces;  // what each stands for, told only when somebody wants to know
    const SpmMemory memory(text.size());
    KEDGE_TRY(memory.status());
    auto status = processor_.Encode(text, &ids);
    if (status.ok() && out->begins != nullptr) status = processor_.Encode(text, &pieces);
    KEDGE_TRY(memory.status());
    if (!status.ok()) return Error{ErrorCode::kInternal, std::string("sentencepiece: ") + status.message()};
    for (size_t i = 0; i < ids.size(); ++i) {
      // The id behind the last is the unknown piece that was added for the library's sake.
      const int32_t known = contains(ids[i]) ? ids[i] : vocab_.unk_id;
      if (known < 0) {
        return Error{ErrorCode::kUnsupported,
                     "the vocabulary cannot express a character of the text, and has no unknown token"};
      }
      out->push(known, begin);
      if (i < pieces.size()) begin += type(known) == TokenType::kByte ? 1 : unescape_spaces(pieces[i]).size();
    }
    return {};
  }

  sentencepiece::SentencePieceProcessor processor_;
  Charsmap charsmap_;
  std::array<int32_t, 256> byte_ids_;
  bool has_bytes_ = false;
  bool space_as_byte_ = false;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_spm_tokenizer(VocabData vocab) {
  static const bool quiet = [] {  // its messages go to stderr; what matters of them comes back as a status
    sentencepiece::logging::SetMinLogLevel(3);
    return true;
  }();
  (void)quiet;
  auto tokenizer = std::make_unique<SpmTokenizer>(std::move(vocab));
  KEDGE_TRY(tokenizer->load());
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace kedge::tokenizer
