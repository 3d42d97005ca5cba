#include "tokenizer/vocab.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <initializer_list>

#include "tokenizer/vocab_end.h"
#include "tokenizer/vocab_kind.h"

namespace kedge::tokenizer {
namespace {

using vocab_message::corrupt;
using vocab_message::in_quotes;
using vocab_message::key;

Error capacity(std::string message) { return {ErrorCode::kCapacity, std::move(message)}; }

Status check_sizes(const VocabData& v) {
  const size_t n = v.tokens.size();
  if (n == 0) return corrupt(key("tokens") + " is missing or empty");
  if (n > kMaxTokens) {
    return capacity(key("tokens") + " has " + std::to_string(n) + " entries; the limit is " +
                    std::to_string(kMaxTokens));
  }
  if (!v.scores.empty() && v.scores.size() != n) {
    return corrupt(key("scores") + " has " + std::to_string(v.scores.size()) + " entries, but " + key("tokens") +
                   " has " + std::to_string(n));
  }
  if (!v.types.empty() && v.types.size() != n) {
    return corrupt(key("token_type") + " has " + std::to_string(v.types.size()) + " entries, but " + key("tokens") +
                   " has " + std::to_string(n));
  }
  if (v.merges.size() > kMaxMerges) {
    return capacity(key("merges") + " has " + std::to_string(v.merges.size()) + " entries; the limit is " +
                    std::to_string(kMaxMerges));
  }
  for (size_t i = 0; i < v.scores.size(); ++i) {
    if (!std::isfinite(v.scores[i]))
      return corrupt(key("scores") + "[" + std::to_string(i) + "] is not a finite number");
  }
  for (size_t i = 0; i < v.types.size(); ++i) {
    if (v.types[i] < 0 || v.types[i] > 6) {
      return corrupt(key("token_type") + "[" + std::to_string(i) + "] is " + std::to_string(v.types[i]) +
                     "; the values are 0 to 6");
    }
  }
  return {};
}

// Names the empty texts and indexes all of them; duplicates would make ids ambiguous.
Status index_tokens(VocabData* v) {
  for (size_t i = 0; i < v->tokens.size(); ++i) {
    std::string& text = v->tokens[i];
    if (text.empty()) text = "[EMPTY_" + std::to_string(i) + "]";
    if (text.size() > kMaxTokenBytes) {
      return capacity(key("tokens") + "[" + std::to_string(i) + "] has " + std::to_string(text.size()) +
                      " bytes; the limit is " + std::to_string(kMaxTokenBytes));
    }
  }
  constexpr size_t kAhead = 16;
  std::vector<uint32_t> hashes;
  hashes.reserve(v->tokens.size());
  for (const std::string& text : v->tokens) hashes.push_back(TokenIndex::hash(text));
  v->index.reserve(v->tokens.size());
  for (size_t i = 0; i < v->tokens.size(); ++i) {
    if (i + kAhead < hashes.size()) v->index.fetch_slot(hashes[i + kAhead]);
    const int32_t other = v->index.add(v->tokens, static_cast<int32_t>(i), hashes[i]);
    if (other >= 0) {
      return corrupt(key("tokens") + "[" + std::to_string(i) + "] " + in_quotes(v->tokens[i]) + " repeats token " +
                     std::to_string(other));
    }
  }
  return {};
}

Status check_ids(const VocabData& v) {
  const std::array<std::pair<const char*, int32_t>, 8> ids = {{{"bos_token_id", v.bos_id},
                                                               {"eos_token_id", v.eos_id},
                                                               {"eot_token_id", v.eot_id},
                                                               {"eom_token_id", v.eom_id},
                                                               {"unknown_token_id", v.unk_id},
                                                               {"seperator_token_id", v.sep_id},
                                                               {"padding_token_id", v.pad_id},
                                                               {"cls_token_id", v.cls_id}}};
  const auto n = static_cast<int32_t>(v.tokens.size());
  for (const auto& [name, id] : ids) {
    if (id < -1 || id >= n) {
      return corrupt(key(name) + " is " + std::to_string(id) + ", but the vocabulary has " + std::to_string(n) +
                     " tokens");
    }
  }
  for (const auto& [name, list] : {std::pair{"eog_token_ids", &v.eog_ids}, {"suppress_tokens", &v.suppress_ids}}) {
    for (const int32_t id : *list) {
      if (id < 0 || id >= n) {
        return corrupt(key(name) + " holds " + std::to_string(id) + ", but the vocabulary has " + std::to_string(n) +
                       " tokens");
      }
    }
  }
  return {};
}

// Byte tokens must parse and be distinct; vocabularies that fall back to them have all 256 or none.
Status check_bytes(const VocabData& v) {
  std::bitset<256> seen;
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    if (v.types[i] != static_cast<int32_t>(TokenType::kByte)) continue;
    const int byte = parse_byte_token(v.tokens[i]);
    if (byte < 0) {
      return corrupt(key("tokens") + "[" + std::to_string(i) + "] " + in_quotes(v.tokens[i]) +
                     " has the type byte, but is not of the form <0x00> to <0xFF>");
    }
    if (seen.test(static_cast<size_t>(byte))) {
      return corrupt(key("tokens") + "[" + std::to_string(i) + "]: a second token for byte " + std::to_string(byte));
    }
    seen.set(static_cast<size_t>(byte));
  }
  if (v.model != "gpt2" && seen.any() && !seen.all()) {
    return corrupt(key("token_type") + " marks " + std::to_string(seen.count()) +
                   " byte tokens; there must be 256 or none");
  }
  return {};
}

Status check_specials(const VocabData& v) {
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    const auto type = static_cast<TokenType>(v.types[i]);
    const bool searched = type == TokenType::kControl || type == TokenType::kUserDefined || type == TokenType::kUnknown;
    if (searched && v.tokens[i].size() > kMaxSpecialBytes) {
      return capacity(key("tokens") + "[" + std::to_string(i) + "] is a special token of " +
                      std::to_string(v.tokens[i].size()) + " bytes; the limit is " + std::to_string(kMaxSpecialBytes));
    }
  }
  return {};
}

}  // namespace

int parse_byte_token(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

bool is_markup(std::string_view text) { return text.find_first_of("<>[]{}|") != std::string_view::npos; }

Result<VocabData> resolve_vocab(VocabData v) {
  KEDGE_TRY(check_kind(&v));
  KEDGE_TRY(check_sizes(v));
  if (v.scores.empty()) v.scores.assign(v.tokens.size(), 0.0f);
  KEDGE_TRY(index_tokens(&v));
  KEDGE_TRY(check_ids(v));
  infer_types(&v);
  KEDGE_TRY(check_bytes(v));
  KEDGE_TRY(resolve_defaults(&v));
  resolve_end_tokens(&v);
  KEDGE_TRY(check_specials(v));
  return v;
}

}  // namespace kedge::tokenizer
