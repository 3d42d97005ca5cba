#include "tokenizer/jinja/unicode.h"

#include <utf8proc.h>

namespace kedge::tokenizer::jinja {
namespace {

constexpr char32_t kEscapeBase = 0xDC00;

utf8proc_category_t category(char32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

struct Special {
  char32_t code;
  const char* upper;
  const char* title;
};
// The unconditional one-to-many mappings of SpecialCasing.txt that occur in text; utf8proc has the one-to-one ones.
constexpr Special kSpecials[] = {{0x00DF, "SS", "Ss"},   {0x0149, "\xCA\xBCN", "\xCA\xBCN"},
                                 {0xFB00, "FF", "Ff"},   {0xFB01, "FI", "Fi"},
                                 {0xFB02, "FL", "Fl"},   {0xFB03, "FFI", "Ffi"},
                                 {0xFB04, "FFL", "Ffl"}, {0xFB05, "ST", "St"},
                                 {0xFB06, "ST", "St"}};

}  // namespace

Char char_at(std::string_view s, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const Char bad{kEscapeBase + lead, 1};
  const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || s.size() - at < size) return bad;
  char32_t code = lead & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return bad;
    code = (code << 6) | (byte(i) & 0x3Fu);
  }
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return bad;
  return {code, size};
}

void append_char(char32_t code, std::string* out) {
  const auto put = [&](char32_t byte) { out->push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (code < 0x80) {
    put(code);
  } else if (code >= kEscapeBase + 0x80 && code <= kEscapeBase + 0xFF) {
    put(code - kEscapeBase);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

size_t count_chars(std::string_view s) {
  size_t n = 0;
  for (size_t at = 0; at < s.size(); at += char_at(s, at).size) ++n;
  return n;
}

size_t byte_offset(std::string_view s, size_t n) {
  size_t at = 0;
  while (n > 0 && at < s.size()) {
    at += char_at(s, at).size;
    --n;
  }
  return at;
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t code) {
  if (code < 0x7F) return code >= 0x20;
  switch (category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_alpha(char32_t code) {
  const auto c = category(code);
  return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}
bool is_digit(char32_t code) { return category(code) == UTF8PROC_CATEGORY_ND; }
bool is_upper(char32_t code) { return category(code) == UTF8PROC_CATEGORY_LU; }
bool is_lower(char32_t code) { return category(code) == UTF8PROC_CATEGORY_LL; }

void append_cased(char32_t code, Case to, std::string* out) {
  if (code < 0x80) {
    const bool change = to == Case::kLower ? (code >= 'A' && code <= 'Z') : (code >= 'a' && code <= 'z');
    out->push_back(static_cast<char>(change ? code ^ 0x20u : code));
    return;
  }
  if (to != Case::kLower) {
    for (const Special& s : kSpecials) {
      if (s.code == code) {
        *out += to == Case::kUpper ? s.upper : s.title;
        return;
      }
    }
  }
  const auto c = static_cast<utf8proc_int32_t>(code);
  const auto mapped = to == Case::kUpper   ? utf8proc_toupper(c)
                      : to == Case::kLower ? utf8proc_tolower(c)
                                           : utf8proc_totitle(c);
  append_char(static_cast<char32_t>(mapped), out);
}

}  // namespace kedge::tokenizer::jinja
