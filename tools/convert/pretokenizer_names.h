// Which tokenizer.ggml.pre a tokenizer.json means: its pre-tokeniser and normaliser compared with the published ones,
// letter by letter.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::tools::convert {

using base::Json;

// How a byte-level BPE cuts text before merging. Each step is the text of a part of tokenizer.json: "split REGEX",
// "digits" (runs), "digit" (each by itself), "bytes" (ByteLevel), "words" (ByteLevel with GPT-2's pattern).
struct PretokenizerSteps {
  std::vector<std::string> steps;
  bool nfc = false;            // the normaliser is NFC
  bool ignore_merges = false;  // of the model
};

struct PretokenizerName {
  std::string_view name;
  std::vector<std::string_view> steps;
  bool nfc;
  bool ignore_merges;
};
std::span<const PretokenizerName> pretokenizer_names_of_json();

// What `pre_tokenizer` and `normalizer` of a tokenizer.json say. kUnsupported, naming the part that has no counterpart.
Result<PretokenizerSteps> read_steps(const Json* pre_tokenizer, const Json* normalizer, bool ignore_merges);

// The name. kUnsupported, with the steps, when they are none of the published ones.
Result<std::string> name_of_steps(const PretokenizerSteps& steps);

}  // namespace kedge::tools::convert
