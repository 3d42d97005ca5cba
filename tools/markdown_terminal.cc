#include "tools/markdown_terminal.h"

#include <algorithm>

namespace kedge::tools {

namespace {

constexpr std::string_view kBar = "\033[2m\u2502\033[0m ";  // before a line of code
constexpr std::string_view kTop = "\033[2m\u250c\u2500 ";   // its language follows
constexpr std::string_view kBottom = "\033[2m\u2514\u2500\033[0m";
constexpr std::string_view kBullet = "\u2022 ";
constexpr size_t kHeadingLevels = 6;
constexpr size_t kFence = 3;

bool is_fence(std::string_view line) {
  const size_t begin = std::min(line.find_first_not_of(' '), line.size());
  return begin <= kFence && line.substr(begin) == "```";
}

// Whether more of the line decides what it is: spaces, "#"s, "-", "``".
bool may_be_block(std::string_view held) {
  const std::string_view s = held.substr(std::min(held.find_first_not_of(' '), held.size()));
  if (s.empty()) return true;
  if (s.find_first_not_of('#') == std::string_view::npos) return s.size() <= kHeadingLevels;
  return s == "-" || s == "*" || s == "+" || s == "`" || s == "``";
}

}  // namespace

std::string MarkdownTerminal::push(std::string_view text) {
  out_.clear();
  for (const char c : text) take(c);
  return out_;
}

std::string MarkdownTerminal::finish() {
  out_.clear();
  if (fence_line_ || is_fence(held_)) held_.clear();
  if (!line_begin_) signs();
  out_ += held_;
  held_.clear();
  return out_ + "\033[0m";
}

void MarkdownTerminal::style() {
  out_ += "\033[0m";
  if (heading_ || bold_) out_ += "\033[1m";
  if (heading_) out_ += "\033[4m";
  if (code_) out_ += "\033[36m";
}

void MarkdownTerminal::take(char c) {
  if (fence_line_) {  // the language, or what stands behind the end
    if (c != '\n') {
      if (in_block_) out_ += c;
      return;
    }
    fence_line_ = false;
    out_ += "\033[0m\n";
    line_begin_ = true;
    return;
  }
  if (line_begin_) {
    held_ += c;
    begin_line();
  } else if (in_block_) {
    out_ += c;
    line_begin_ = c == '\n';
  } else {
    inline_text(c);
  }
}

// Decides what a line is, as soon as its beginning says so.
void MarkdownTerminal::begin_line() {
  const std::string held = held_;
  if (is_fence(held)) {
    in_block_ = !in_block_;
    fence_line_ = true;
    out_ += in_block_ ? kTop : kBottom;
    return held_.clear();
  }
  const size_t indent = std::min(held.find_first_not_of(' '), held.size());
  if (in_block_) {
    const std::string_view s = std::string_view(held).substr(indent);
    if (indent <= kFence && (s.empty() || s == "`" || s == "``")) return;
    out_ += kBar;
    out_ += held;
    line_begin_ = held.ends_with('\n');
    return held_.clear();
  }
  if (may_be_block(held)) return;
  held_.clear();
  line_begin_ = false;
  const std::string_view s = std::string_view(held).substr(indent);
  out_.append(indent, ' ');
  if (s.front() == '#' && s.back() == ' ') {
    heading_ = true;
    return style();
  }
  if (s == "- " || s == "* " || s == "+ ") {
    out_ += kBullet;
    return;
  }
  for (const char c : s) inline_text(c);
}

void MarkdownTerminal::inline_text(char c) {
  if (c == '*' && !code_) {
    held_ += c;
    return;
  }
  signs();
  if (c == '`') {
    code_ = !code_;
    style();
  } else if (c == '\n') {
    end_line();
  } else {
    out_ += c;
  }
}

// Two stars are bold; one, or more than three, is what it is.
void MarkdownTerminal::signs() {
  if (held_.empty()) return;
  if (held_.size() == 2 || held_.size() == 3) {
    bold_ = !bold_;
    style();
    held_.erase(0, 2);
  }
  out_ += held_;
  held_.clear();
}

// No style of text goes beyond its line: an answer that forgets to end one would stay so.
void MarkdownTerminal::end_line() {
  if (heading_ || bold_ || code_) {
    heading_ = bold_ = code_ = false;
    style();
  }
  out_ += '\n';
  line_begin_ = true;
}

}  // namespace kedge::tools
