#include "tools/terminal_input.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cwchar>
#include <utility>

#include "tools/command.h"
#include "tools/interrupt.h"

namespace kedge::tools {

namespace {

constexpr const char* kContinuation = "  ";
constexpr std::string_view kPasteOn = "\033[?2004h";
constexpr std::string_view kPasteOff = "\033[?2004l";
constexpr std::string_view kPasteBegin = "\033[200~";
constexpr std::string_view kPasteEnd = "\033[201~";
constexpr int kPasteGapMs = 40;  // nobody types a character this soon after a line end
constexpr char kGap = '\0';      // no key sends it but Ctrl-@, which means nothing here

constexpr int kStops[] = {SIGTSTP, SIGQUIT, SIGINT, SIGTERM};  // the last two until an InterruptGuard has them

// For signal handlers, which have no object.
termios g_before;
termios g_raw;
int g_echo = STDOUT_FILENO;

void put(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(g_echo, text.data(), text.size());
    if (n < 0 && errno != EINTR) return;  // what is typed does not depend on its echo
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
}

void enter() {
  tcsetattr(STDIN_FILENO, TCSANOW, &g_raw);
  put(kPasteOn);
}

void leave() {
  put(kPasteOff);
  tcsetattr(STDIN_FILENO, TCSANOW, &g_before);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

// Signals that stop or end the program do so, but not with the terminal as it is set here.
void on_stop(int signal) {
  leave();
  handle(signal, SIG_DFL);
  raise(signal);  // when this handler is done
}

void on_continue(int) {
  handle(SIGTSTP, on_stop);
  enter();
}

// Columns of the last character of a text, -1 when that is not known.
int last_width(std::string_view character) {
  wchar_t code = 0;
  std::mbstate_t state{};
  if (std::mbrtowc(&code, character.data(), character.size(), &state) != character.size()) return -1;
  return wcwidth(code);
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::unique_ptr<TerminalInput> TerminalInput::open(IsCommand is_command) {
  if (isatty(STDIN_FILENO) != 1 || tcgetattr(STDIN_FILENO, &g_before) != 0) return nullptr;
  g_raw = g_before;
  g_raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ECHONL | IEXTEN);  // signals stay
  g_raw.c_iflag |= ICRNL;
  g_raw.c_cc[VMIN] = 1;
  g_raw.c_cc[VTIME] = 0;
  if (isatty(STDOUT_FILENO) != 1) {
    const int terminal = ::open("/dev/tty", O_WRONLY | O_CLOEXEC);
    if (terminal >= 0) g_echo = terminal;
  }
  std::setlocale(LC_CTYPE, "C.UTF-8");  // for the widths of characters
  for (const int signal : kStops) handle(signal, on_stop);
  handle(SIGCONT, on_continue);
  enter();
  return std::unique_ptr<TerminalInput>(new TerminalInput(std::move(is_command)));
}

TerminalInput::~TerminalInput() {
  leave();
  for (const int signal : kStops) handle(signal, SIG_DFL);
  handle(SIGCONT, SIG_DFL);
  if (g_echo != STDOUT_FILENO) ::close(g_echo);
  g_echo = STDOUT_FILENO;
}

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
  if (ready < 0) return false;  // stopped and continued, or interrupted
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

TerminalInput::Outcome TerminalInput::read(const std::string& prompt, std::string& message) {
  prompt_ = prompt;
  message_.clear();
  escape_.clear();
  in_paste_ = pasted_ = false;
  pump();
  put(prompt_);
  for (;;) {
    bool complete = false;
    while (next_ < pending_.size() && !complete) complete = take(pending_[next_++]);
    pending_.erase(0, std::exchange(next_, 0));
    flush_echo();
    if (complete) {
      while (pasted_ && message_.ends_with('\n')) message_.pop_back();
      message = std::move(message_);
      return Outcome::kMessage;
    }
    if (at_end_) return Outcome::kEnd;
    if (fill()) continue;
    if (InterruptGuard::interrupted()) {
      pending_.clear();
      return Outcome::kInterrupted;
    }
    if (!at_end_) redraw_line();  // stopped and continued
  }
}

bool TerminalInput::take(char c) {
  if (c == kGap) return false;
  if (in_paste_) {
    paste(c);
    return false;
  }
  if (!escape_.empty() || c == '\033') {
    escape(c);
    return false;
  }
  const auto is = [c](int key) { return static_cast<cc_t>(c) == g_before.c_cc[key]; };
  if (c == '\n') return line_end();
  if (c == '\x7f' || c == '\b' || is(VERASE)) {
    erase_character();
  } else if (is(VWERASE)) {
    erase_word();
  } else if (is(VKILL)) {
    message_.resize(line_begin());
    redraw_line();
  } else if (is(VEOF)) {
    if (line_begin() < message_.size()) return false;
    at_end_ = true;
    return !message_.empty();
  } else if (static_cast<unsigned char>(c) >= ' ' || c == '\t') {
    insert(c);
  }
  return false;
}

// Whether the line completes the message.
bool TerminalInput::line_end() {
  echo_ += '\n';
  const bool more = next_ < pending_.size() ? pending_[next_] != kGap : wait(kPasteGapMs);
  if (message_.ends_with('\\')) {
    message_.back() = '\n';
  } else if (is_command_(message_) || !more) {
    return true;
  } else {
    message_ += '\n';
    pasted_ = true;
  }
  echo_ += kContinuation;
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
    for (const char t : escape_) insert(t);
    escape_.assign(again ? 1 : 0, c);
    return;
  }
  insert(c);
}

// Keys that mean nothing here (arrows and the like) are left out, whole.
void TerminalInput::escape(char c) {
  escape_ += c;
  if (escape_ == kPasteBegin) {
    in_paste_ = pasted_ = true;
    escape_.clear();
    return;
  }
  const size_t n = escape_.size();
  const bool longer = n == 1 || (n == 2 && (c == '[' || c == 'O')) || (n > 2 && escape_[1] == '[' && c < '@');
  if (!longer) escape_.clear();
}

void TerminalInput::insert(char c) {
  if (c == '\r') c = '\n';
  message_ += c;
  if (c == '\n') {
    echo_ += '\n';
    echo_ += kContinuation;
  } else if (static_cast<unsigned char>(c) < ' ' && c != '\t') {
    echo_ += {'^', static_cast<char>(c + '@')};  // shown, not obeyed
  } else {
    echo_ += c;
  }
}

size_t TerminalInput::line_begin() const { return message_.rfind('\n') + 1; }  // npos + 1 is 0

void TerminalInput::erase_character() {
  if (message_.size() == line_begin()) return;
  size_t begin = message_.size() - 1;
  while (begin > line_begin() && is_continuation(message_[begin])) --begin;
  const int width = last_width(std::string_view(message_).substr(begin));
  message_.resize(begin);
  if (width < 0) return redraw_line();
  for (int i = 0; i < width; ++i) echo_ += "\b \b";
}

void TerminalInput::erase_word() {
  const auto ends_in_space = [&] { return message_.back() == ' ' || message_.back() == '\t'; };
  while (message_.size() > line_begin() && ends_in_space()) message_.pop_back();
  while (message_.size() > line_begin() && !ends_in_space()) message_.pop_back();
  redraw_line();
}

void TerminalInput::redraw_line() {
  const size_t begin = line_begin();
  echo_ += "\r\033[K" + (begin == 0 ? prompt_ : kContinuation) + message_.substr(begin);
  flush_echo();
}

void TerminalInput::flush_echo() {
  put(echo_);
  echo_.clear();
}

}  // namespace kedge::tools
