#include "tools/text_cells.h"

#include <algorithm>
#include <cwchar>

#include "kernels/base/utf8.h"

namespace kedge::tools {

namespace {

constexpr size_t kTabStop = 8;
constexpr uint32_t kJoiner = 0x200d;  // what stands behind it is part of the same character

size_t length_at(std::string_view text, size_t at) { return std::max<size_t>(1, base::utf8_char_length(text, at)); }

uint32_t code_at(std::string_view text, size_t at) {
  const size_t length = base::utf8_char_length(text, at);
  return length == 0 ? 0xfffd : base::utf8_code_point(text, at, length);
}

// -1: not to be printed. By the locale that TerminalInput sets, C.UTF-8.
int width_of(uint32_t code) { return wcwidth(static_cast<wchar_t>(code)); }

}  // namespace

size_t next_character(std::string_view text, size_t at) {
  if (at >= text.size()) return text.size();
  uint32_t before = code_at(text, at);
  size_t end = at + length_at(text, at);
  if (before < ' ') return end;
  while (end < text.size()) {
    const uint32_t code = code_at(text, end);
    if (before != kJoiner && width_of(code) != 0) break;
    if (code < ' ') break;
    before = code;
    end += length_at(text, end);
  }
  return end;
}

size_t previous_character(std::string_view text, size_t at) {
  // From a place that surely begins a character: a line's beginning, but no further back than marks will reach.
  constexpr size_t kReach = 256;
  const size_t line = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
  if (line == at) return at == 0 ? 0 : at - 1;
  size_t begin = at - line > kReach ? at - kReach : line;
  while (begin < at && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) ++begin;
  if (begin == at) return at - 1;
  size_t last = begin;
  for (size_t next = next_character(text, begin); next < at; next = next_character(text, next)) last = next;
  return last;
}

Cell cell_of(std::string_view character, size_t column) {
  const auto first = static_cast<unsigned char>(character.front());
  if (first == '\t') {
    const size_t n = kTabStop - column % kTabStop;
    return {std::string(n, ' '), n};
  }
  if (first < ' ') return {{'^', static_cast<char>(first + '@')}, 2};
  if (first == 0x7f) return {"^?", 2};
  Cell cell;
  for (size_t at = 0; at < character.size(); at += length_at(character, at)) {
    const int width = width_of(code_at(character, at));
    if (base::utf8_char_length(character, at) == 0 || width < 0) {  // C1 controls among them
      cell.shown += "\xef\xbf\xbd";
      cell.columns += 1;
      continue;
    }
    cell.shown += character.substr(at, length_at(character, at));
    cell.columns += static_cast<size_t>(width);
  }
  return cell;
}

size_t visible_columns(std::string_view text) {
  size_t columns = 0;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '\033') {
      at = std::min(text.find('m', at), text.size() - 1) + 1;
      continue;
    }
    const size_t end = next_character(text, at);
    columns += cell_of(text.substr(at, end - at), columns).columns;
    at = end;
  }
  return columns;
}

}  // namespace kedge::tools
