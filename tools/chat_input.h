// Where a chat's messages come from and its notes go: a terminal or, a message a line, a pipe.
#pragma once

#include <string>

#include "tools/command.h"
#include "tools/line_reader.h"
#include "tools/terminal_input.h"

namespace kedge::tools {

class ChatInput {
 public:
  // `terminal`: null when the messages come from a pipe or a file.
  ChatInput(TerminalInput* terminal, bool colour) : terminal_(terminal), colour_(colour) {}

  // The next message or command; false at the end of the input. The second Ctrl-C in a row at the prompt leaves.
  bool read(const std::string& prompt, std::string& message, InterruptGuard& guard);
  TerminalInput* terminal() const { return terminal_; }
  // Something that no model said.
  void note(const std::string& text) const;

 private:
  bool read_lines(std::string& message);

  TerminalInput* terminal_;
  LineReader reader_;
  bool colour_;
};

}  // namespace kedge::tools
