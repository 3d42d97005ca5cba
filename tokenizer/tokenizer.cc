#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <bit>
#include <new>

#include "kernels/base/sha256.h"
#include "tokenizer/bpe.h"
#include "tokenizer/nfc.h"
#include "tokenizer/rwkv.h"
#include "tokenizer/spm.h"
#include "tokenizer/wordpiece.h"

namespace kedge::tokenizer {
namespace {

std::string fingerprint_of(const VocabData& v) {
  Sha256 sha;
  sha.field("kedge tokenizer 1");
  sha.field(v.model);
  sha.field(v.pre);
  sha.number(v.tokens.size());
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    sha.field(v.tokens[i]);
    sha.number(uint64_t{std::bit_cast<uint32_t>(v.scores[i])} << 32 | static_cast<uint32_t>(v.types[i]));
  }
  sha.number(v.merges.size());
  for (const std::string& merge : v.merges) sha.field(merge);
  for (const int32_t id : {v.bos_id, v.eos_id, v.eot_id, v.eom_id, v.unk_id, v.sep_id, v.pad_id}) {
    sha.number(static_cast<uint32_t>(id));
  }
  sha.number(v.eog_ids.size());
  for (const int32_t id : v.eog_ids) sha.number(static_cast<uint32_t>(id));
  for (const bool flag : {*v.add_bos, *v.add_eos, *v.add_space_prefix, v.remove_extra_whitespaces, *v.ignore_merges}) {
    sha.number(flag ? 1 : 0);
  }
  sha.field(v.precompiled_charsmap);
  // Nothing otherwise: what is in use keeps its fingerprint.
  if (*v.nfc) sha.field("NFC");
  if (*v.lowercase) sha.field("lower case");
  if (*v.strip_accents) sha.field("no accents");
  return sha.hex();
}

// libsentencepiece and the containers throw nothing else, and nothing leaves this room.
Error out_of_memory(const std::string& what) { return {ErrorCode::kCapacity, "tokenizer: out of memory for " + what}; }

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::make(VocabData vocab) try {
  KEDGE_ASSIGN(resolved, resolve_vocab(std::move(vocab)));
  if (resolved.model == "llama" || resolved.model == "t5") return make_spm_tokenizer(std::move(resolved));
  if (resolved.model == "bert") return make_wordpiece_tokenizer(std::move(resolved));
  if (resolved.model == "rwkv") return make_rwkv_tokenizer(std::move(resolved));
  return make_bpe_tokenizer(std::move(resolved));
} catch (const std::bad_alloc&) {
  return out_of_memory("the vocabulary");
}

Tokenizer::Tokenizer(VocabData vocab) : vocab_(std::move(vocab)), fingerprint_(fingerprint_of(vocab_)) {}

void Tokenizer::index_tokens() {
  for (int32_t id = 0; id < size(); ++id) {
    const std::string& text = vocab_.tokens[static_cast<size_t>(id)];
    const bool plain = type(id) == TokenType::kUserDefined && !is_guarded(id);
    // Plain ones are searched for as they read, like the text they are part of; markup as it is written.
    if (plain) plain_.add(pieces_[static_cast<size_t>(id)], id);
    if (plain) special_.add(pieces_[static_cast<size_t>(id)], id);
    if (is_guarded(id)) special_.add(text, id);
  }
  plain_.build();
  special_.build();
}

std::string_view Tokenizer::piece(int32_t id) const {
  return contains(id) ? std::string_view(pieces_[static_cast<size_t>(id)]) : std::string_view();
}

std::string_view Tokenizer::token_text(int32_t id) const {
  return contains(id) ? std::string_view(vocab_.tokens[static_cast<size_t>(id)]) : std::string_view();
}

int32_t Tokenizer::find(std::string_view token_text) const { return vocab_.find(token_text); }

TokenType Tokenizer::type(int32_t id) const {
  return contains(id) ? static_cast<TokenType>(vocab_.types[static_cast<size_t>(id)]) : TokenType::kUndefined;
}

bool Tokenizer::is_control(int32_t id) const {
  const TokenType t = type(id);
  return t == TokenType::kControl || t == TokenType::kUnknown;
}

bool Tokenizer::is_eog(int32_t id) const {
  return std::binary_search(vocab_.eog_ids.begin(), vocab_.eog_ids.end(), id);
}

bool Tokenizer::is_guarded(int32_t id) const {
  return is_control(id) ||
         (type(id) == TokenType::kUserDefined && (is_markup(token_text(id)) || is_eog(id) || id == vocab_.bos_id));
}

// The tokens of text[begin, end), which has no special tokens in it.
Status Tokenizer::encode_plain(std::string_view text, size_t begin, size_t end, bool after_special, bool exact,
                               Encoded* out) const {
  if (begin == end) return {};
  std::string_view fragment = text.substr(begin, end - begin);
  std::string changed;
  std::vector<size_t> from;
  const bool nfc = *vocab_.nfc && !exact && to_nfc(fragment, &changed, out->begins == nullptr ? nullptr : &from);
  if (nfc) fragment = changed;
  const size_t known = out->ids.size();
  KEDGE_TRY(encode_fragment(fragment, after_special, out));
  if (out->begins == nullptr) return {};
  for (size_t i = known; i < out->begins->size(); ++i) {
    size_t& at = (*out->begins)[i];
    at = begin + (nfc ? from[at] : at);
  }
  return {};
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options,
                                               std::vector<size_t>* begins) const try {
  if (text.size() > kMaxTextBytes) {
    return Error{ErrorCode::kCapacity, "tokenizer: the text has " + std::to_string(text.size()) +
                                           " bytes; the limit is " + std::to_string(kMaxTextBytes)};
  }
  if (begins != nullptr) begins->clear();
  Encoded out{{}, begins};
  if (options.add_special && add_bos()) out.push(vocab_.bos_id, 0);
  const SpecialTokens& special = options.parse_special ? special_ : plain_;
  bool after_special = true;
  for (size_t at = 0; at < text.size();) {
    const SpecialTokens::Match match = special.find(text, at);
    const size_t end = match.id < 0 ? text.size() : match.begin;
    KEDGE_TRY(encode_plain(text, at, end, after_special, options.exact_bytes, &out));
    after_special = match.id >= 0;
    if (match.id >= 0) out.push(match.id, end);
    at = end + match.length;
  }
  if (options.add_special && add_eos()) out.push(vocab_.eos_id, text.size());
  return std::move(out.ids);
} catch (const std::bad_alloc&) {
  return out_of_memory("a text of " + std::to_string(text.size()) + " bytes");
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids, DecodeOptions options) const try {
  std::string out;
  Detokenizer detokenizer(*this, options);
  for (const int32_t id : ids) KEDGE_TRY(detokenizer.push(id, &out));
  return out;
} catch (const std::bad_alloc&) {
  return out_of_memory(std::to_string(ids.size()) + " tokens");
}

Status Detokenizer::push(int32_t id, std::string* out) {
  if (!tokenizer_->contains(id)) {
    return Error{ErrorCode::kInvalidArgument, "token id " + std::to_string(id) + " is not in the vocabulary of " +
                                                  std::to_string(tokenizer_->size()) + " tokens"};
  }
  const bool control = tokenizer_->is_control(id);
  if (control && options_.skip_special) {
    after_special_ = true;
    return {};
  }
  const bool special = control || tokenizer_->type(id) == TokenType::kUserDefined;
  std::string_view piece = tokenizer_->piece(id);
  const bool put_by_encode = after_special_ && !special && tokenizer_->adds_space();
  if (put_by_encode && options_.remove_leading_space && piece.starts_with(' ')) piece.remove_prefix(1);
  after_special_ = special;
  out->append(piece);
  return {};
}

}  // namespace kedge::tokenizer
