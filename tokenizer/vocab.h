// The vocabulary of a model as plain data. The engine copies it out of the GGUF metadata (this room may not include
// weights/); resolve_vocab() checks every value and fills in what GGUF leaves to convention.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "tokenizer/token_index.h"

namespace kedge::tokenizer {

// Values of `tokenizer.ggml.token_type`.
enum class TokenType : int32_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

// Comments name the GGUF key (prefix `tokenizer.ggml.` left out). An id of -1 and an empty optional mean "no such key".
struct VocabData {
  std::string model;                      // model: one of vocab_kinds()
  std::string pre;                        // pre: name of the pre-tokeniser; only BPE uses it
  std::vector<std::string> tokens;        // tokens
  std::vector<float> scores;              // scores: empty, or one per token
  std::vector<int32_t> types;             // token_type: empty, or one per token
  std::vector<std::string> merges;        // merges: "left right", best first; only BPE uses them
  int32_t bos_id = -1;                    // bos_token_id
  int32_t eos_id = -1;                    // eos_token_id
  int32_t eot_id = -1;                    // eot_token_id (end of turn)
  int32_t eom_id = -1;                    // eom_token_id (end of message)
  int32_t unk_id = -1;                    // unknown_token_id
  int32_t sep_id = -1;                    // seperator_token_id (the key is misspelt in GGUF)
  int32_t pad_id = -1;                    // padding_token_id
  int32_t cls_id = -1;                    // cls_token_id
  std::vector<int32_t> eog_ids;           // eog_token_ids, or the caller's own: further ids that end a generation
  std::vector<int32_t> suppress_ids;      // suppress_tokens: never to be generated
  std::optional<bool> add_bos;            // add_bos_token
  std::optional<bool> add_eos;            // add_eos_token
  std::optional<bool> add_sep;            // add_sep_token: the separator stands between two texts of a pair
  std::optional<bool> add_space_prefix;   // add_space_prefix; only "llama" and "t5" use it
  bool remove_extra_whitespaces = false;  // remove_extra_whitespaces; only "llama" and "t5" use it
  std::optional<bool> lowercase;          // normalizer.lowercase; only "bert" uses it
  std::optional<bool> strip_accents;      // normalizer.strip_accents; only "bert" uses it
  std::string precompiled_charsmap;       // precompiled_charsmap, the raw bytes
  std::optional<bool> ignore_merges;      // not a GGUF key: overrides what the pre-tokeniser implies
  std::optional<bool> nfc;                // not a GGUF key: text is put into Unicode NFC first; likewise implied
  TokenIndex index;                       // of resolve_vocab(): the tokens by their texts

  // The token of this text, -1 if there is none. After resolve_vocab().
  int32_t find(std::string_view text) const { return index.find(tokens, text); }
};

// Limits on a vocabulary; beyond them loading is refused (kCapacity).
inline constexpr size_t kMaxTokens = size_t{1} << 22;
inline constexpr size_t kMaxMerges = size_t{1} << 24;
inline constexpr size_t kMaxTokenBytes = size_t{1} << 16;
inline constexpr size_t kMaxSpecialBytes = 1024;  // control and user-defined tokens: keeps the search for them linear

// The values of `model` that are supported, for messages: "'llama' (SentencePiece BPE), ...".
std::string vocab_kinds();

// The checked vocabulary: `types` and `scores` have one entry per token, all optionals are set, `eog_ids` is sorted and
// complete, empty token texts have become "[EMPTY_<id>]" and tokens whose text everyone takes for an end marker are
// kControl. Errors: kCorrupt (names the key, the value and the limit), kCapacity, kUnsupported (model, pre).
Result<VocabData> resolve_vocab(VocabData vocab);

// The byte of a token text "<0xHH>", -1 when it is anything else.
int parse_byte_token(std::string_view text);

// Whether a user-defined token is chat or document markup (it has a bracket or a bar) rather than plain text such as a
// run of spaces or a letter. Markup is recognised in text only on request; plain text always.
bool is_markup(std::string_view text);

}  // namespace kedge::tokenizer
