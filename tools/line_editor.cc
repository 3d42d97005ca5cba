#include "tools/line_editor.h"

#include <algorithm>
#include <utility>

#include "tools/text_cells.h"

namespace kedge::tools {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }
// Letters of all scripts: every byte of theirs beyond ASCII is.
bool in_word(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u >= 0x80 || (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z');
}

}  // namespace

void LineEditor::set(std::string text) {
  text_ = std::move(text);
  cursor_ = text_.size();
}

std::string LineEditor::take() {
  cursor_ = 0;
  return std::exchange(text_, {});
}

void LineEditor::insert(std::string_view text) {
  text_.insert(cursor_, text);
  cursor_ += text.size();
}

void LineEditor::insert(char c) { insert(std::string_view(&c, 1)); }

void LineEditor::left() { cursor_ = cursor_ == 0 ? 0 : previous_character(text_, cursor_); }
void LineEditor::right() { cursor_ = next_character(text_, cursor_); }

void LineEditor::word_left() {
  while (cursor_ > 0 && !in_word(text_[cursor_ - 1])) --cursor_;
  while (cursor_ > 0 && in_word(text_[cursor_ - 1])) --cursor_;
}

void LineEditor::word_right() {
  while (cursor_ < text_.size() && !in_word(text_[cursor_])) ++cursor_;
  while (cursor_ < text_.size() && in_word(text_[cursor_])) ++cursor_;
}

size_t LineEditor::line_begin() const { return cursor_ == 0 ? 0 : text_.rfind('\n', cursor_ - 1) + 1; }
size_t LineEditor::line_end() const { return std::min(text_.find('\n', cursor_), text_.size()); }

void LineEditor::home() { cursor_ = line_begin(); }
void LineEditor::end() { cursor_ = line_end(); }
void LineEditor::to_end() { cursor_ = text_.size(); }

size_t LineEditor::column() const {
  size_t n = 0;
  for (size_t at = line_begin(); at < cursor_; at = next_character(text_, at)) ++n;
  return n;
}

void LineEditor::move_to_column(size_t begin, size_t column) {
  cursor_ = begin;
  const size_t end = line_end();
  while (column-- > 0 && cursor_ < end) cursor_ = next_character(text_, cursor_);
}

bool LineEditor::up() {
  const size_t begin = line_begin();
  if (begin == 0) return false;
  const size_t above = begin < 2 ? 0 : text_.rfind('\n', begin - 2) + 1;
  move_to_column(above, column());
  return true;
}

bool LineEditor::down() {
  const size_t end = line_end();
  if (end == text_.size()) return false;
  move_to_column(end + 1, column());
  return true;
}

void LineEditor::erase_left() {
  const size_t end = cursor_;
  left();
  text_.erase(cursor_, end - cursor_);
}

void LineEditor::erase_right() { text_.erase(cursor_, next_character(text_, cursor_) - cursor_); }

void LineEditor::kill(size_t begin, size_t end) {
  if (begin == end) return;
  killed_ = text_.substr(begin, end - begin);
  text_.erase(begin, end - begin);
  cursor_ = begin;
}

void LineEditor::kill_to_home() { kill(line_begin(), cursor_); }
void LineEditor::kill_to_end() { kill(cursor_, line_end()); }

void LineEditor::kill_word_left() {
  size_t begin = cursor_;
  while (begin > line_begin() && is_space(text_[begin - 1])) --begin;
  while (begin > line_begin() && !is_space(text_[begin - 1])) --begin;
  kill(begin, cursor_);
}

void LineEditor::kill_word_right() {
  const size_t begin = cursor_;
  word_right();
  kill(begin, cursor_);
}

void LineEditor::yank() { insert(killed_); }

}  // namespace kedge::tools
