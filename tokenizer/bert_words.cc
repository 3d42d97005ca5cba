#include "tokenizer/bert_words.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "kernels/base/utf8.h"

namespace kedge::tokenizer {
namespace {

utf8proc_category_t category(uint32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

bool is_removed(uint32_t code) {
  if (code == '\t' || code == '\n' || code == '\r') return false;
  if (code == 0xfffd) return true;
  const utf8proc_category_t c = category(code);
  return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO;
}

bool is_space(uint32_t code) {
  if (code == '\t' || code == '\n' || code == '\r') return true;
  const utf8proc_category_t c = category(code);
  return c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP;
}

bool is_punctuation(uint32_t code) {
  if (code < 0x80)
    return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') || (code >= '[' && code <= '`') ||
           (code >= '{' && code <= '~');
  const utf8proc_category_t c = category(code);
  return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

// The blocks that BERT's cleaning names, with the hole they have in Hugging Face's tokenizers.
bool is_chinese(uint32_t code) {
  static constexpr std::array<std::pair<uint32_t, uint32_t>, 8> kBlocks = {{{0x3400, 0x4dbf},
                                                                            {0x4e00, 0x9fff},
                                                                            {0xf900, 0xfaff},
                                                                            {0x20000, 0x2a6df},
                                                                            {0x2a700, 0x2b73f},
                                                                            {0x2b740, 0x2b81f},
                                                                            {0x2b920, 0x2ceaf},
                                                                            {0x2f800, 0x2fa1f}}};
  return std::any_of(kBlocks.begin(), kBlocks.end(),
                     [&](const auto& block) { return code >= block.first && code <= block.second; });
}

class BertSplitter {
 public:
  explicit BertSplitter(BertCleaning cleaning) : cleaning_(cleaning) {}

  void push(uint32_t code, size_t from) {
    if (is_removed(code)) return;
    if (is_space(code)) {
      in_word_ = false;
      return;
    }
    if (is_chinese(code)) in_word_ = false;
    if (cleaning_.strip_accents) {
      std::array<utf8proc_int32_t, 8> parts{};
      int boundary = 0;
      const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts.data(), parts.size(),
                                             UTF8PROC_DECOMPOSE, &boundary);
      for (utf8proc_ssize_t i = 0; i < std::clamp<utf8proc_ssize_t>(n, 0, parts.size()); ++i) {
        const auto part = static_cast<uint32_t>(parts[static_cast<size_t>(i)]);
        if (category(part) != UTF8PROC_CATEGORY_MN) push_lower(part, from);
      }
    } else {
      push_lower(code, from);
    }
    if (is_chinese(code)) in_word_ = false;
  }

  std::vector<BertCharacter> take() { return std::move(out_); }

 private:
  void push_lower(uint32_t code, size_t from) {
    constexpr uint32_t kCapitalDottedI = 0x130;  // the one character whose lower case is two
    if (!cleaning_.lowercase) return append(code, from);
    if (code == kCapitalDottedI) append('i', from);
    append(
        code == kCapitalDottedI ? 0x307 : static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))),
        from);
  }

  void append(uint32_t code, size_t from) {
    const bool alone = is_punctuation(code);
    out_.push_back({code, alone || !in_word_, from});
    in_word_ = !alone;
  }

  BertCleaning cleaning_;
  bool in_word_ = false;
  std::vector<BertCharacter> out_;
};

}  // namespace

std::vector<BertCharacter> bert_characters(std::string_view text, BertCleaning cleaning) {
  BertSplitter splitter(cleaning);
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_char_length(text, i);
    if (length > 0) splitter.push(utf8_code_point(text, i, length), i);
    i += std::max<size_t>(length, 1);
  }
  return splitter.take();
}

}  // namespace kedge::tokenizer
