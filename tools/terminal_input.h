// Messages typed or pasted at a terminal. The terminal's own line editing cuts lines at 4,095 bytes without a word and
// makes a message of every pasted line, so lines are edited here: backspace, Ctrl-U, Ctrl-W, Ctrl-D as the terminal has
// them set, lines of any length. What arrives in one piece is one message, line ends and all: between the marks of a
// bracketed paste, or, from terminals without them, when a line is followed by more at once. That holds for what is
// typed ahead too, as long as somebody calls pump() meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace kedge::tools {

class TerminalInput {
 public:
  enum class Outcome { kMessage, kEnd, kInterrupted };
  // Whether a line that begins a message is complete whatever follows.
  using IsCommand = std::function<bool(const std::string& line)>;

  // Null when standard input is no terminal. One at a time: it sets the terminal and signal handlers, until it goes.
  static std::unique_ptr<TerminalInput> open(IsCommand is_command);
  ~TerminalInput();
  TerminalInput(const TerminalInput&) = delete;
  TerminalInput& operator=(const TerminalInput&) = delete;

  // Takes what has been typed, without waiting. For callbacks of work that takes time.
  void pump();
  // The next message, over lines that end in a backslash.
  // kInterrupted: Ctrl-C or SIGTERM (InterruptGuard::interrupted()); what was typed so far is dropped.
  Outcome read(const std::string& prompt, std::string& message);

 private:
  explicit TerminalInput(IsCommand is_command) : is_command_(std::move(is_command)) {}

  bool wait(int milliseconds);  // for input
  bool fill();                  // false at the end of the input or after a signal
  bool take(char c);            // true: the message is complete
  bool line_end();
  void paste(char c);
  void escape(char c);
  void insert(char c);
  void erase_character();
  void erase_word();
  void redraw_line();
  size_t line_begin() const;
  void flush_echo();

  IsCommand is_command_;
  std::string prompt_;
  std::string pending_;  // read; kGap where typing paused
  size_t next_ = 0;      // of it: not looked at yet
  double last_ = 0;      // when something came
  std::string message_;
  std::string escape_;  // an escape sequence, as far as it has come
  std::string echo_;
  bool in_paste_ = false;
  bool pasted_ = false;  // the message has line ends of its own
  bool at_end_ = false;
};

}  // namespace kedge::tools
