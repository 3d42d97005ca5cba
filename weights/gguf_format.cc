#include "weights/gguf_format.h"

#include <array>
#include <bit>
#include <cstring>

#include "kernels/base/hex.h"

namespace kedge::weights {

namespace {

constexpr size_t kQuotedBytes = 96;

// Length of the well-formed UTF-8 character at `p`, of which `left` >= 1 bytes exist; 0 when there is none.
size_t utf8_length(const unsigned char* p, size_t left) {
  const unsigned lead = p[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (left < length) return 0;
  // The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF.
  const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((p[i] & 0xc0u) != 0x80u) return 0;
  }
  return length;
}

}  // namespace

std::string gguf_type_name(uint32_t type) {
  static constexpr std::array<const char*, kGgufTypeCount> kNames = {
      "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
  return type < kNames.size() ? kNames[type] : "type " + std::to_string(type);
}

size_t gguf_type_bytes(GgufType type) {
  static constexpr std::array<size_t, kGgufTypeCount> kBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  const auto i = static_cast<size_t>(type);
  return i < kBytes.size() ? kBytes[i] : 0;
}

std::string gguf_tensor_type_name(uint32_t id) {
  static constexpr std::array<const char*, 43> kNames = {
      "F32",        "F16",        "Q4_0",       "Q4_1",  "Q4_2",     "Q4_3",     "Q5_0",     "Q5_1",    "Q8_0",
      "Q8_1",       "Q2_K",       "Q3_K",       "Q4_K",  "Q5_K",     "Q6_K",     "Q8_K",     "IQ2_XXS", "IQ2_XS",
      "IQ3_XXS",    "IQ1_S",      "IQ4_NL",     "IQ3_S", "IQ2_S",    "IQ4_XS",   "I8",       "I16",     "I32",
      "I64",        "F64",        "IQ1_M",      "BF16",  "Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",   "TQ2_0",
      "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4", "NVFP4",    "Q1_0",     "Q2_0"};
  return id < kNames.size() ? kNames[id] : "type " + std::to_string(id);
}

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  size_t i = 0;
  while (i < text.size() && i < kQuotedBytes) {
    const auto* p = reinterpret_cast<const unsigned char*>(text.data()) + i;
    const size_t length = utf8_length(p, text.size() - i);
    const bool c1_control = length == 2 && p[0] == 0xc2 && p[1] < 0xa0;
    if (length == 0 || (length == 1 && (p[0] < 0x20 || p[0] == 0x7f)) || c1_control) {
      const size_t escaped = length == 0 ? 1 : length;
      for (size_t j = 0; j < escaped; ++j) (out += "\\x") += hex(text.substr(i + j, 1));
      i += escaped;
    } else {
      out.append(text.substr(i, length));
      i += length;
    }
  }
  if (i < text.size()) out += "... (" + std::to_string(text.size()) + " bytes)";
  return out + "'";
}

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  size_t i = 0;
  while (i < text.size()) {
    uint64_t word = 0;
    if (text.size() - i >= sizeof(word)) {  // eight ASCII characters at a time: most of a vocabulary
      std::memcpy(&word, p + i, sizeof(word));
      if ((word & 0x8080808080808080u) == 0) {
        i += sizeof(word);
        continue;
      }
    }
    const size_t length = utf8_length(p + i, text.size() - i);
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

std::string name_problem(std::string_view text, uint64_t max_bytes) {
  if (text.empty()) return "must not be empty";
  if (text.size() > max_bytes) {
    return "has " + std::to_string(text.size()) + " bytes, the limit is " + std::to_string(max_bytes);
  }
  if (const auto bad = find_invalid_utf8(text)) return "is not valid UTF-8 (byte " + std::to_string(*bad) + ")";
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return "contains a NUL character (byte " + std::to_string(nul) + ")";
  }
  return "";
}

std::string alignment_problem(uint64_t alignment) {
  if (std::has_single_bit(alignment) && alignment >= kMinGgufAlignment && alignment <= kMaxGgufAlignment) return "";
  return "is " + std::to_string(alignment) + ", must be a power of two from " + std::to_string(kMinGgufAlignment) +
         " to " + std::to_string(kMaxGgufAlignment);
}

}  // namespace kedge::weights
