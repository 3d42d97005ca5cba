#include "router/retrieval/text_clean.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "kernels/base/utf8.h"

namespace kedge::router::retrieval {

namespace {

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

// U+0080 to U+009F are written 0xc2 0x80 to 0xc2 0x9f.
bool is_c1_control(std::string_view text, size_t i) {
  if (text[i] != '\xc2' || i + 1 >= text.size()) return false;
  return static_cast<unsigned char>(text[i + 1]) < 0xa0;
}

struct Replacement {
  std::string_view from;
  std::string_view to;
};

// What is not seen, and the ligatures of Latin letters, which are two or three.
constexpr Replacement kReplacements[] = {{"\xc2\xad", ""},       {"\xe2\x80\x8b", ""},    {"\xe2\x81\xa0", ""},
                                         {"\xef\xbb\xbf", ""},   {"\xef\xac\x80", "ff"},  {"\xef\xac\x81", "fi"},
                                         {"\xef\xac\x82", "fl"}, {"\xef\xac\x83", "ffi"}, {"\xef\xac\x84", "ffl"},
                                         {"\xef\xac\x85", "st"}, {"\xef\xac\x86", "st"}};

const Replacement* replacement(std::string_view text, size_t i) {
  for (const Replacement& r : kReplacements) {
    if (text.substr(i, r.from.size()) == r.from) return &r;
  }
  return nullptr;
}

std::string without_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r' || c == '\f' || c == '\v') {
      out += '\n';
      if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else if (is_c1_control(text, i)) {
      if (text[i + 1] == '\x85') out += '\n';  // "next line"
      ++i;
    } else if (static_cast<unsigned char>(c) >= 0xc2) {
      const Replacement* r = replacement(text, i);
      if (r == nullptr) {
        out += c;
      } else {
        out += r->to;
        i += r->from.size() - 1;
      }
    } else if (c == '\n' || c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != '\x7f')) {
      out += c;
    }
  }
  return out;
}

}  // namespace

Status check_utf8(std::string_view text, const std::string& name) {
  const size_t valid = utf8_valid_until(text, 0);
  if (valid == text.size()) return {};
  return Error{ErrorCode::kInvalidArgument,
               name + ": byte " + std::to_string(valid) + " of " + std::to_string(text.size()) + " is not UTF-8"};
}

Result<std::string> clean_text(std::string_view text, const std::string& name) {
  KEDGE_TRY(check_utf8(text, name));
  std::string clean = without_controls(text);
  if (is_ascii(clean)) return clean;
  utf8proc_uint8_t* mapped = nullptr;
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(clean.data()), static_cast<utf8proc_ssize_t>(clean.size()),
                   &mapped, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (length == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (length < 0) {
    return Error{ErrorCode::kInvalidArgument, name + ": cannot be normalised: " + utf8proc_errmsg(length)};
  }
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace kedge::router::retrieval
