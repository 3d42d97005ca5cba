// Pre-tokenisers of byte-level BPE: how text is cut into words before merging, keyed by `tokenizer.ggml.pre`.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::tokenizer {

// What one name stands for. Static data.
struct PretokenizerRules {
  std::vector<std::string_view> names;
  // Applied one after another; each cuts every part left by the one before into matches and what lies between them.
  // A pattern is Perl syntax with Unicode properties, or one of the two below for rules that backtrack quadratically.
  std::vector<std::string_view> patterns;
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  bool add_bos = false;        // default of tokenizer.ggml.add_bos_token
  bool merges_by_id = false;   // a vocabulary of tiktoken: it may come without merges (see BpeTokenizer)
  bool metaspace = false;      // letters are characters, not bytes, and U+2581 is a space: see metaspace_bpe.h
};

// A run of digits in groups of three counted from its end.
inline constexpr std::string_view kDigitGroups = "[digits by threes]";
// The same unless a letter follows the run: \d{1,3}(?=(?:\d{3})*\b).
inline constexpr std::string_view kDigitGroupsOfWords = "[digits by threes of whole words]";

// The rules of a name. Errors: kUnsupported, naming the unknown name (an empty one means the key is missing).
Result<const PretokenizerRules*> find_pretokenizer(std::string_view name);

// Whether the tokenizers that go by this name put text into NFC first. GGUF has no key for it.
bool pretokenizer_implies_nfc(std::string_view name);

// All names known, for listing.
std::vector<std::string_view> pretokenizer_names();

// Compiled rules. Const and thread-safe.
class Pretokenizer {
 public:
  Pretokenizer(Pretokenizer&&) noexcept;
  Pretokenizer& operator=(Pretokenizer&&) noexcept;
  ~Pretokenizer();

  static Result<Pretokenizer> make(const PretokenizerRules& rules);

  // Cuts `text`, which must be valid UTF-8, into words; *ends gets the end offset of each, ascending, the last being
  // text.size(). Errors: kCapacity when a pattern exceeds its limit on work or memory (never seen on real text).
  Status split(std::string_view text, std::vector<size_t>* ends) const;

 private:
  struct Impl;
  explicit Pretokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kedge::tokenizer
