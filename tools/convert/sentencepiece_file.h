// Reads tokenizer.model, a protocol buffer of the sentencepiece library: the pieces, and what its trainer and its
// normaliser say about them. Written for files that are not trusted.
// Source: sentencepiece_model.proto of that project.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::tools::convert {

struct SentencePieceFile {
  enum class Kind { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  struct Piece {
    std::string text;
    float score = 0;
    int type = 1;  // as in GGUF: normal, unknown, control, user-defined, unused, byte
  };

  std::vector<Piece> pieces;
  Kind kind = Kind::kUnigram;
  int64_t bos_id = 1;
  int64_t eos_id = 2;
  int64_t unk_id = 0;
  int64_t pad_id = -1;
  std::string charsmap;  // precompiled_charsmap
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// Errors: kCorrupt (with the byte), kCapacity.
Result<SentencePieceFile> parse_sentencepiece(std::string_view bytes, const std::string& file);

}  // namespace kedge::tools::convert
