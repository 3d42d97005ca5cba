// Characters as a terminal shows them: a base character and the marks that combine with it are one cell or two.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kedge::tools {

// The end of the character that begins at `at`, with its combining marks. Bytes that are no UTF-8 stand for themselves.
size_t next_character(std::string_view text, size_t at);
// The beginning of the character that ends at `at`.
size_t previous_character(std::string_view text, size_t at);

// What a terminal is sent for one character, and how many columns that takes. Control characters are shown as ^X, not
// obeyed; a tab as spaces. `column`: where it begins.
struct Cell {
  std::string shown;
  size_t columns = 0;
};
Cell cell_of(std::string_view character, size_t column);

// Of a prompt: its colours take no column.
size_t visible_columns(std::string_view text);

}  // namespace kedge::tools
