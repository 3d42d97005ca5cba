#include "tools/terminal_input.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/terminal_mode.h"

namespace kedge::tools {

namespace {

constexpr std::string_view kPasteBegin = "\033[200~";
constexpr std::string_view kPasteEnd = "\033[201~";
constexpr std::string_view kQuotes = "\"\"\"";
constexpr int kPasteGapMs = 40;  // nobody types a character this soon after a line end
constexpr char kGap = '\0';      // no key sends it but Ctrl-@, which means nothing here

constexpr char ctrl(char letter) { return static_cast<char>(letter & 0x1f); }

bool quotes_are_open(std::string_view text) {
  return text.starts_with(kQuotes) && (text.size() < 2 * kQuotes.size() || !text.ends_with(kQuotes));
}

}  // namespace

std::unique_ptr<TerminalInput> TerminalInput::open(IsCommand is_command, bool plain, const std::string& history) {
  if (!terminal::open()) return nullptr;
  return std::unique_ptr<TerminalInput>(new TerminalInput(std::move(is_command), plain, history));
}

TerminalInput::~TerminalInput() { terminal::close(); }

bool TerminalInput::wait(int milliseconds) {
  pollfd in{STDIN_FILENO, POLLIN, 0};
  return poll(&in, 1, milliseconds) > 0;
}

bool TerminalInput::fill() {
  // A signal that came just before the wait, or to another thread, does not end it: so it is looked for now and then.
  constexpr int kLookMs = 50;
  pollfd in{STDIN_FILENO, POLLIN, 0};
  int ready = 0;
  while ((ready = poll(&in, 1, kLookMs)) == 0) {
    if (InterruptGuard::interrupted()) return false;
  }
  if (ready < 0) return false;  // stopped and continued, resized, or interrupted
  char buffer[4096];
  const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
  if (n > 0) {
    pending_.append(buffer, static_cast<size_t>(n));
    return true;
  }
  if (n == 0 || errno != EINTR) at_end_ = true;
  return false;
}

void TerminalInput::pump() {
  if (at_end_ || !wait(0)) return;
  const double now = seconds_now();
  if (now - last_ > kPasteGapMs / 1000.0 && next_ < pending_.size()) pending_ += kGap;
  while (!at_end_ && wait(0) && fill()) {
  }
  last_ = now;
}

void TerminalInput::measure() {
  const terminal::Size size = terminal::size();
  screen_.size(size.columns, size.rows);
}

TerminalInput::Outcome TerminalInput::read(const std::string& prompt, std::string& message) {
  prompt_ = prompt;
  editor_.set(std::exchange(prefill_, {}));
  escape_.clear();
  draft_.clear();
  entry_ = history_.entries().size();
  searching_ = in_paste_ = pasted_ = false;
  pump();
  (void)terminal::resized();
  measure();
  terminal::put(screen_.begin(prompt_));
  for (;;) {
    bool complete = false;
    while (next_ < pending_.size() && !complete) complete = take(pending_[next_++]);
    pending_.erase(0, std::exchange(next_, 0));
    refresh();
    if (complete) {
      terminal::put(screen_.finish());
      message = finished();
      return Outcome::kMessage;
    }
    if (at_end_) return Outcome::kEnd;
    if (fill()) continue;
    if (InterruptGuard::interrupted()) {
      pending_.clear();
      return Outcome::kInterrupted;
    }
    if (at_end_) continue;
    measure();  // stopped and continued, or resized
    terminal::put(screen_.redraw());
  }
}

std::string TerminalInput::finished() {
  std::string text = editor_.take();
  while (pasted_ && text.ends_with('\n')) text.pop_back();
  history_.add(text);
  if (text.size() >= 2 * kQuotes.size() && text.starts_with(kQuotes) && text.ends_with(kQuotes)) {
    text = text.substr(kQuotes.size(), text.size() - 2 * kQuotes.size());
    if (text.starts_with('\n')) text.erase(0, 1);
    if (text.ends_with('\n')) text.pop_back();
  }
  return text;
}

void TerminalInput::refresh() {
  if (!searching_) terminal::put(screen_.show(editor_.text(), editor_.cursor()));
}

bool TerminalInput::take(char c) {
  if (c == kGap) return false;
  if (in_paste_) {
    paste(c);
    return false;
  }
  if (!escape_.empty() || c == '\033') {
    if (searching_) end_search();
    escape(c);
    return false;
  }
  if (searching_ && search(c)) return false;
  if (c == '\n') return line_end();
  if (terminal::is_key(c, VEOF)) return end_of_input();
  if (c == '\x7f' || c == '\b' || terminal::is_key(c, VERASE)) {
    editor_.erase_left();
  } else if (terminal::is_key(c, VWERASE)) {
    editor_.kill_word_left();
  } else if (terminal::is_key(c, VKILL)) {
    editor_.kill_to_home();
  } else if (c == '\t' && complete()) {
    return false;
  } else if (static_cast<unsigned char>(c) >= ' ' || c == '\t') {
    editor_.insert(c);
  } else {
    control(c);
  }
  return false;
}

void TerminalInput::control(char c) {
  switch (c) {
    case ctrl('A'):
      return editor_.home();
    case ctrl('B'):
      return editor_.left();
    case ctrl('E'):
      return editor_.end();
    case ctrl('F'):
      return editor_.right();
    case ctrl('K'):
      return editor_.kill_to_end();
    case ctrl('L'):
      return terminal::put("\033[H\033[2J" + screen_.begin(prompt_));
    case ctrl('N'):
      return newer();
    case ctrl('P'):
      return older();
    case ctrl('R'):
      return begin_search();
    case ctrl('U'):
      return editor_.kill_to_home();
    case ctrl('W'):
      return editor_.kill_word_left();
    case ctrl('Y'):
      return editor_.yank();
    default:
      return;  // means nothing here
  }
}

bool TerminalInput::end_of_input() {
  const std::string& text = editor_.text();
  if (!editor_.at_end() || (!text.empty() && text.back() != '\n')) {
    editor_.erase_right();
    return false;
  }
  at_end_ = true;
  return !text.empty();
}

// Whether the line completes the message.
bool TerminalInput::line_end() {
  editor_.to_end();
  const std::string& text = editor_.text();
  if (next_ >= pending_.size()) refresh();
  const bool more = next_ < pending_.size() ? pending_[next_] != kGap : wait(kPasteGapMs);
  if (text.ends_with('\\')) {
    editor_.erase_left();
  } else if (is_command_(text) || (!more && !quotes_are_open(text))) {
    return true;
  } else if (more) {
    pasted_ = true;
  }
  editor_.insert('\n');
  return false;
}

void TerminalInput::paste(char c) {
  if (!escape_.empty() || c == kPasteEnd[0]) {
    escape_ += c;
    if (escape_ == kPasteEnd) {
      escape_.clear();
      in_paste_ = false;
      return;
    }
    if (kPasteEnd.starts_with(escape_)) return;
    const bool again = c == kPasteEnd[0];  // no mark after all; another one may begin here
    if (again) escape_.pop_back();
    editor_.insert(escape_);
    escape_.assign(again ? 1 : 0, c);
    return;
  }
  editor_.insert(c == '\r' ? '\n' : c);
}

// Keys that mean nothing here are left out, whole.
void TerminalInput::escape(char c) {
  escape_ += c;
  if (escape_ == kPasteBegin) {
    in_paste_ = pasted_ = true;
    escape_.clear();
    return;
  }
  const size_t n = escape_.size();
  const bool longer = n == 1 || (n == 2 && (c == '[' || c == 'O')) || (n > 2 && escape_[1] == '[' && c < '@');
  if (!longer) key(std::exchange(escape_, {}));
}

void TerminalInput::key(const std::string& sequence) {
  struct Key {
    std::string_view sequence;
    void (LineEditor::*action)();
  };
  static constexpr Key kKeys[] = {
      {"\033[C", &LineEditor::right},
      {"\033OC", &LineEditor::right},
      {"\033[D", &LineEditor::left},
      {"\033OD", &LineEditor::left},
      {"\033[H", &LineEditor::home},
      {"\033OH", &LineEditor::home},
      {"\033[1~", &LineEditor::home},
      {"\033[7~", &LineEditor::home},
      {"\033[F", &LineEditor::end},
      {"\033OF", &LineEditor::end},
      {"\033[4~", &LineEditor::end},
      {"\033[8~", &LineEditor::end},
      {"\033[3~", &LineEditor::erase_right},
      {"\033b", &LineEditor::word_left},
      {"\033[1;5D", &LineEditor::word_left},
      {"\033[1;3D", &LineEditor::word_left},
      {"\033f", &LineEditor::word_right},
      {"\033[1;5C", &LineEditor::word_right},
      {"\033[1;3C", &LineEditor::word_right},
      {"\033d", &LineEditor::kill_word_right},
      {"\033\x7f", &LineEditor::kill_word_left},
  };
  if (sequence == "\033[A" || sequence == "\033OA") return older();
  if (sequence == "\033[B" || sequence == "\033OB") return newer();
  if (sequence == "\033\n") return editor_.insert('\n');  // Alt-Enter: a line end, not the end
  for (const Key& key : kKeys) {
    if (key.sequence == sequence) return (editor_.*key.action)();
  }
}

}  // namespace kedge::tools
