#include "tools/line_screen.h"

#include <algorithm>
#include <vector>

#include "tools/text_cells.h"

namespace kedge::tools {

namespace {

constexpr std::string_view kContinuation = "  ";  // before every line but the first
constexpr std::string_view kRowEnd = "\r\n";
constexpr const char* kClearBelow = "\033[J";

std::string moved(size_t n, char direction) { return n == 0 ? "" : "\033[" + std::to_string(n) + direction; }

std::vector<std::string_view> rows_of(std::string_view drawn) {
  std::vector<std::string_view> rows;
  for (;;) {
    const size_t end = drawn.find(kRowEnd);
    rows.push_back(drawn.substr(0, end));
    if (end == std::string_view::npos) return rows;
    drawn.remove_prefix(end + kRowEnd.size());
  }
}

}  // namespace

void LineScreen::size(size_t columns, size_t rows) {
  columns_ = columns < 8 ? 80 : columns;
  rows_ = rows < 2 ? 24 : rows;
}

// Rows are ended here, not by the terminal: those differ in what they do behind the last column.
std::string LineScreen::render(std::string_view text, Spot& spot) const {
  std::string out;
  const auto end_row = [&](bool wrapped) {
    out += kRowEnd;
    spot = {.row = spot.row + 1, .column = 0, .wrapped = wrapped};
  };
  for (size_t at = 0; at < text.size();) {
    const size_t end = next_character(text, at);
    if (text[at] == '\n') {
      if (!spot.wrapped) end_row(false);
      out += kContinuation;
      spot.column = kContinuation.size();
      spot.wrapped = false;
      at = end;
      continue;
    }
    Cell cell = cell_of(text.substr(at, end - at), spot.column);
    if (spot.column + cell.columns > columns_) end_row(false);
    out += cell.shown;
    spot.column += cell.columns;
    if (cell.columns > 0) spot.wrapped = false;
    if (spot.column >= columns_) end_row(true);
    at = end;
  }
  return out;
}

std::string LineScreen::begin(const std::string& prompt) {
  prompt_ = prompt;
  shown_.clear();
  cursor_ = top_ = 0;
  at_ = {.row = 0, .column = visible_columns(prompt) % columns_};
  return prompt;
}

std::string LineScreen::show(std::string_view text, size_t cursor) {
  const bool at_end = cursor_ == shown_.size() && cursor == text.size();
  if (at_end && text.starts_with(shown_)) {
    std::string out = render(text.substr(shown_.size()), at_);
    if (at_.row - top_ >= rows_) top_ = at_.row - rows_ + 1;
    shown_ = text;
    cursor_ = cursor;
    return out;
  }
  if (cursor == cursor_ && text == shown_) return "";
  return plain_ ? show_plain(text, cursor) : draw(text, cursor, false);
}

std::string LineScreen::draw(std::string_view text, size_t cursor, bool with_prompt) {
  const Spot first{.row = 0, .column = visible_columns(prompt_) % columns_};
  Spot at = first;
  std::string drawn = render(text.substr(0, cursor), at);
  Spot end = at;
  drawn += render(text.substr(cursor), end);
  const auto rows = rows_of(drawn);
  // The rows about the cursor, as many as there is room for.
  const size_t n = std::min(rows.size(), rows_);
  const size_t top = std::min(at.row < n ? 0 : at.row - n + 1, rows.size() - n);
  std::string out = "\r" + moved(at_.row - top_, 'A');
  const bool prompt_stays = !with_prompt && top_ == 0 && top == 0;
  if (prompt_stays) out += moved(first.column, 'C');
  out += kClearBelow;
  if (top == 0 && !prompt_stays) out += prompt_;
  top_ = top;
  for (size_t i = 0; i < n; ++i) {
    if (i > 0) out += kRowEnd;
    out += rows[top_ + i];
  }
  out += moved(top_ + n - 1 - at.row, 'A') + "\r" + moved(at.column, 'C');
  shown_ = text;
  cursor_ = cursor;
  at_ = at;
  return out;
}

std::string LineScreen::show_plain(std::string_view text, size_t cursor) {
  const auto width = [](std::string_view part) { return visible_columns(part); };
  std::string out;
  const size_t low = std::min(cursor, cursor_);
  const std::string_view between = text.substr(low, std::max(cursor, cursor_) - low);
  if (text == shown_ && between.find('\n') == std::string_view::npos) {
    if (cursor < cursor_) out.assign(width(between), '\b');
    if (cursor > cursor_) out = between;
  } else if (shown_.starts_with(text) && cursor == text.size() && cursor_ == shown_.size() &&
             shown_.find('\n', text.size()) == std::string::npos) {
    for (size_t i = width(std::string_view(shown_).substr(text.size())); i > 0; --i) out += "\b \b";
  } else {
    Spot spot;
    out = "\r\n" + prompt_ + render(text, spot);
    out.append(width(text.substr(std::min(cursor, text.size()))), '\b');
  }
  shown_ = text;
  cursor_ = cursor;
  at_ = {.row = 0, .column = (visible_columns(prompt_) + width(text)) % columns_};
  top_ = 0;
  return out;
}

std::string LineScreen::change_prompt(const std::string& prompt, std::string_view text, size_t cursor) {
  prompt_ = prompt;
  return plain_ ? show_plain(text, cursor) : draw(text, cursor, true);
}

std::string LineScreen::redraw() {
  const std::string text = shown_;
  if (plain_) return "\r\n" + prompt_ + text;
  // As the terminal wraps what is there at its width.
  Spot at{.row = 0, .column = visible_columns(prompt_) % columns_};
  render(std::string_view(text).substr(0, cursor_), at);
  at_ = at;
  top_ = at.row < rows_ ? 0 : at.row - rows_ + 1;
  return draw(text, cursor_, true);
}

std::string LineScreen::finish() {
  std::string out = cursor_ == shown_.size() ? "" : show(std::string(shown_), shown_.size());
  return out + (at_.wrapped ? "" : "\r\n");
}

}  // namespace kedge::tools
