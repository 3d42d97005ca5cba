// Markdown as it comes, for a terminal: headings, bold, code, lists and fenced blocks. Nothing that is written is taken
// back, so a sign is held until it is clear what it is; what is none of these is shown as it is.
#pragma once

#include <string>
#include <string_view>

namespace kedge::tools {

class MarkdownTerminal {
 public:
  // What the terminal is to be sent.
  std::string push(std::string_view text);
  std::string finish();  // what is held, and all styles off

 private:
  void take(char c);
  void begin_line();
  void inline_text(char c);
  void signs();
  void end_line();
  void style();

  std::string out_;
  std::string held_;         // signs, or the beginning of a line
  bool line_begin_ = true;   // nothing of the line is written
  bool in_block_ = false;    // between fences
  bool fence_line_ = false;  // behind the signs of a fence
  bool heading_ = false;
  bool bold_ = false;
  bool code_ = false;
};

}  // namespace kedge::tools
