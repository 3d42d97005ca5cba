// The text that is being typed, and its cursor: what the keys do to it, nothing of the terminal.
#pragma once

#include <string>
#include <string_view>

namespace kedge::tools {

class LineEditor {
 public:
  const std::string& text() const { return text_; }
  size_t cursor() const { return cursor_; }  // in bytes
  bool at_end() const { return cursor_ == text_.size(); }

  void set(std::string text);  // the cursor behind it
  std::string take();          // the text, which is empty then
  void insert(std::string_view text);
  void insert(char c);

  void left();
  void right();
  void word_left();
  void word_right();
  void home();  // of the line
  void end();
  void to_end();  // of the text
  bool up();      // to the line above; false: there is none
  bool down();

  void erase_left();
  void erase_right();
  // What these take away, yank() puts in again.
  void kill_to_home();
  void kill_to_end();
  void kill_word_left();   // back to white space, as terminals do
  void kill_word_right();  // to the end of a word
  void yank();

 private:
  size_t line_begin() const;
  size_t line_end() const;
  void kill(size_t begin, size_t end);
  void move_to_column(size_t begin, size_t column);
  size_t column() const;

  std::string text_;
  std::string killed_;
  size_t cursor_ = 0;
};

}  // namespace kedge::tools
