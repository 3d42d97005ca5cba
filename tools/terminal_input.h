// Messages typed or pasted at a terminal. The terminal's own line editing cuts lines at 4,095 bytes without a word and
// makes a message of every pasted line, so lines are edited here. Packaged editors would not do: libedit (3.1) knows no
// bracketed paste, readline is GPL, and neither lets a chat take what is typed while the model answers (pump()) or a
// pasted text of any length without marks as one message.
//
// What arrives in one piece is one message, line ends and all: between the marks of a bracketed paste, or, from
// terminals without them, when a line is followed by more at once. That holds for what is typed ahead too, as long as
// somebody calls pump() meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/chat_history.h"
#include "tools/line_editor.h"
#include "tools/line_screen.h"

namespace kedge::tools {

class TerminalInput {
 public:
  enum class Outcome { kMessage, kEnd, kInterrupted };
  // Whether a line that begins a message is complete whatever follows.
  using IsCommand = std::function<bool(const std::string& line)>;

  // Null when standard input is no terminal. One at a time: it sets the terminal and signal handlers, until it goes.
  // `plain`: nothing on the screen is drawn over. `history`: a file, empty: none is kept.
  // What the text before the cursor may go on as, whole; none: the Tab key means nothing there.
  using Completer = std::function<std::vector<std::string>(const std::string& before)>;

  static std::unique_ptr<TerminalInput> open(IsCommand is_command, bool plain = false, const std::string& history = "");
  ~TerminalInput();
  TerminalInput(const TerminalInput&) = delete;
  TerminalInput& operator=(const TerminalInput&) = delete;

  // Takes what has been typed, without waiting. For callbacks of work that takes time.
  void pump();
  // The next message, over lines that end in a backslash, or between """ and """.
  // kInterrupted: Ctrl-C or SIGTERM (InterruptGuard::interrupted()); what was typed so far is dropped.
  Outcome read(const std::string& prompt, std::string& message);
  // What the next message begins as, to be changed.
  void prefill(std::string text) { prefill_ = std::move(text); }
  void complete_with(Completer completer) { completer_ = std::move(completer); }

 private:
  TerminalInput(IsCommand is_command, bool plain, const std::string& history)
      : is_command_(std::move(is_command)), screen_(plain), history_(history) {}

  bool wait(int milliseconds);  // for input
  bool fill();                  // false at the end of the input or after a signal
  bool take(char c);            // true: the message is complete
  void control(char c);
  bool line_end();
  bool end_of_input();
  void paste(char c);
  void escape(char c);
  void key(const std::string& sequence);
  void older();
  void newer();
  void show_entry(size_t entry);
  void begin_search();
  bool search(char c);  // false: the search has ended, the key is still to be obeyed
  void find(size_t before);
  void end_search();
  std::string finished();
  bool complete();  // false: a tab is a character here
  void refresh();
  void measure();

  IsCommand is_command_;
  Completer completer_;
  LineEditor editor_;
  LineScreen screen_;
  ChatHistory history_;
  size_t entry_ = 0;  // of the history: what is shown; past its end, the draft
  std::string draft_;
  std::string prompt_;
  std::string prefill_;
  std::string pending_;  // read; kGap where typing paused
  size_t next_ = 0;      // of it: not looked at yet
  double last_ = 0;      // when something came
  std::string escape_;   // an escape sequence, as far as it has come
  std::string query_;    // of a search through the history
  size_t found_ = 0;
  bool searching_ = false;
  bool in_paste_ = false;
  bool pasted_ = false;  // the message has line ends of its own
  bool at_end_ = false;
};

}  // namespace kedge::tools
