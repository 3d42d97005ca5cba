// The vocabulary of a folder, from tokenizer.json or tokenizer.model and the files beside them, as GGUF has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "tools/convert/conversion.h"

namespace kedge::tools::convert {

// Values of tokenizer.ggml.token_type.
enum TokenKind : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// Marked as such beside the vocabulary proper.
struct AddedToken {
  int64_t id = 0;
  std::string text;
  bool special = false;
  bool strips = false;  // spaces beside it are taken away; nothing in GGUF says that
};

struct Vocab {
  std::string model;  // tokenizer.ggml.model
  std::string pre;    // tokenizer.ggml.pre
  std::vector<std::string> tokens;
  std::vector<float> scores;  // none, or one per token
  std::vector<int32_t> kinds;
  std::vector<std::string> merges;
  std::string charsmap;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  std::optional<bool> add_space_prefix;
  std::optional<bool> remove_extra_whitespaces;
  std::optional<bool> lowercase;
  std::optional<bool> strip_accents;
  std::string first;  // the token that is put before a text, and behind it
  std::string last;
  std::string unknown;
  std::vector<AddedToken> added;

  int64_t find(std::string_view text) const;  // -1 when there is none; what was added counts
};

// A text where there is a file, none where there is not.
Result<std::optional<std::string>> read_optional(const std::string& path);
Result<std::optional<Config>> read_config(const std::string& path, const std::string& name);

// tokenizer.json. `pieces`: the folder has tokenizer.model too, which then says more of a SentencePiece vocabulary.
struct TokenizerJson {
  Vocab vocab;
  bool sentencepiece = false;  // BPE over characters with bytes to fall back to, as SentencePiece makes it
};
Result<TokenizerJson> read_tokenizer_json(std::string_view text);
// tokenizer.model
Result<Vocab> read_tokenizer_model(std::string_view bytes, const std::string& file);

// Reads the folder's vocabulary and writes the keys tokenizer.*: the vocabulary with `count_of('V')` tokens, special
// tokens, chat templates.
Status vocab_keys(Conversion& c, const std::vector<std::string>& ignore);

// The second half of it: special tokens, from tokenizer_config.json, special_tokens_map.json, config.json and
// generation_config.json in this order; and generation_config.json's settings.
Status special_keys(Conversion& c, const Vocab& vocab, Config& tokenizer_config,
                    const std::vector<std::string>& ignore);
Status template_keys(Conversion& c, Config& tokenizer_config);

}  // namespace kedge::tools::convert
