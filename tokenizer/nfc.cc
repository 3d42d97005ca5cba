#include "tokenizer/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "kernels/base/utf8.h"

namespace kedge::tokenizer {
namespace {

constexpr uint32_t kFirstUnstable = 0x300;  // characters below compose with none before them and are themselves in NFC

// Whether a character may compose with, or move before, the one before it.
bool continues(uint32_t code) {
  if (code < kFirstUnstable) return false;
  if ((code >= 0x1161 && code <= 0x1175) || (code >= 0x11a8 && code <= 0x11c2))
    return true;  // Hangul vowels and finals
  const utf8proc_category_t c = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME;
}

bool decomposes(uint32_t code) {
  return code >= kFirstUnstable &&
         utf8proc_get_property(static_cast<utf8proc_int32_t>(code))->decomp_seqindex != UINT16_MAX;
}

int combining_class(utf8proc_int32_t code) { return utf8proc_get_property(code)->combining_class; }

// The piece in NFC. utf8proc's own ordering of marks is quadratic, so they are sorted here.
std::string composed(std::string_view piece) {
  std::vector<utf8proc_int32_t> codes;
  for (size_t i = 0; i < piece.size();) {
    const size_t length = utf8_char_length(piece, i);
    std::array<utf8proc_int32_t, 8> parts{};
    int last_boundary = 0;
    const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(utf8_code_point(piece, i, length)),
                                           parts.data(), parts.size(), UTF8PROC_DECOMPOSE, &last_boundary);
    codes.insert(codes.end(), parts.begin(), parts.begin() + std::clamp<utf8proc_ssize_t>(n, 0, parts.size()));
    i += length;
  }
  for (auto at = codes.begin(); at != codes.end();) {
    const auto end = std::find_if(at, codes.end(), [](utf8proc_int32_t c) { return combining_class(c) == 0; });
    std::stable_sort(at, end, [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    at = end == codes.end() ? end : end + 1;
  }
  const auto n = utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), UTF8PROC_COMPOSE);
  std::string out;
  for (utf8proc_ssize_t i = 0; i < n; ++i) {
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto size = utf8proc_encode_char(codes[static_cast<size_t>(i)], bytes.data());
    out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(size));
  }
  return out;
}

}  // namespace

bool to_nfc(std::string_view text, std::string* out, std::vector<size_t>* from) {
  out->clear();
  if (from != nullptr) from->clear();
  size_t copied = 0;
  const auto copy_until = [&](size_t end) {
    out->append(text, copied, end - copied);
    for (; copied < end; ++copied) {
      if (from != nullptr) from->push_back(copied);
    }
  };
  bool changed = false;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    size_t length = utf8_char_length(text, i);
    const bool valid = length > 0;
    const uint32_t first = valid ? utf8_code_point(text, i, length) : 0;
    i += std::max<size_t>(length, 1);
    size_t n_chars = 1;
    while (valid && i < text.size() && static_cast<unsigned char>(text[i]) >= 0x80) {
      length = utf8_char_length(text, i);
      if (length == 0 || !continues(utf8_code_point(text, i, length))) break;
      i += length;
      ++n_chars;
    }
    if (!valid || (n_chars == 1 && !decomposes(first))) continue;
    const std::string_view piece = text.substr(begin, i - begin);
    const std::string now = composed(piece);
    if (now == piece) continue;
    copy_until(begin);
    out->append(now);
    if (from != nullptr) from->insert(from->end(), now.size(), begin);
    copied = i;
    changed = true;
  }
  if (changed) copy_until(text.size());
  return changed;
}

}  // namespace kedge::tokenizer
