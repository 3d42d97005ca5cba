// How the text being typed looks on a terminal: a prompt, rows that wrap, the cursor. A text that is only typed on
// costs its new characters, any other change draws it again. Where it is taller than the terminal the rows about the
// cursor are shown.
#pragma once

#include <string>
#include <string_view>

namespace kedge::tools {

class LineScreen {
 public:
  // Plain, for screen readers: nothing is drawn over. A change that is not at the end is shown as the text, again.
  explicit LineScreen(bool plain = false) : plain_(plain) {}

  // What the terminal has to be sent, here and below. `prompt` may have colours; the cursor is at the left margin.
  std::string begin(const std::string& prompt);
  std::string show(std::string_view text, size_t cursor);
  std::string change_prompt(const std::string& prompt, std::string_view text, size_t cursor);
  std::string finish();  // behind the text, at the left margin
  // After something else has written, or the size has changed.
  std::string redraw();
  void size(size_t columns, size_t rows);

 private:
  struct Spot {
    size_t row = 0;
    size_t column = 0;
    bool wrapped = false;  // the row above is full: a line end here needs no row of its own
  };
  std::string render(std::string_view text, Spot& spot) const;
  std::string draw(std::string_view text, size_t cursor, bool with_prompt);
  std::string show_plain(std::string_view text, size_t cursor);

  bool plain_;
  std::string prompt_;
  size_t columns_ = 80;
  size_t rows_ = 24;
  std::string shown_;
  size_t cursor_ = 0;  // in bytes
  Spot at_;            // where the terminal's cursor is
  size_t top_ = 0;     // the first row that can still be reached
};

}  // namespace kedge::tools
