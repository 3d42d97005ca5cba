#include "tools/chat_input.h"

#include <cstdio>

namespace kedge::tools {

void ChatInput::note(const std::string& text) const {
  print(colour_ ? "\033[2m" + text + "\033[0m\n" : text + "\n");
  std::fflush(stdout);
}

bool ChatInput::read(const std::string& prompt, std::string& message, InterruptGuard& guard) {
  if (terminal_ == nullptr) return read_lines(message);
  for (bool warned = false;; warned = true) {
    std::fflush(stdout);
    const auto outcome = terminal_->read(colour_ ? "\033[1;32m" + prompt + "\033[0m" : prompt, message);
    if (outcome == TerminalInput::Outcome::kMessage) return true;
    print("\n");
    if (outcome == TerminalInput::Outcome::kEnd || warned || InterruptGuard::terminated()) return false;
    guard.clear();
    note("Ctrl-C again, or /quit, leaves.");
  }
}

// From a pipe: a line, and those that follow a line that ends in a backslash.
bool ChatInput::read_lines(std::string& message) {
  message.clear();
  for (;;) {
    std::string line;
    const auto outcome = reader_.read(line);
    if (outcome == LineReader::Outcome::kEnd) return !message.empty();
    if (outcome == LineReader::Outcome::kInterrupted) {
      if (InterruptGuard::interrupted()) return false;
      continue;  // some other signal
    }
    message += line;
    if (line.empty() || line.back() != '\\') return true;
    message.back() = '\n';
  }
}

}  // namespace kedge::tools
