#include "tools/terminal_mode.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>

namespace kedge::tools::terminal {

namespace {

constexpr std::string_view kPasteOn = "\033[?2004h";
constexpr std::string_view kPasteOff = "\033[?2004l";

constexpr int kStops[] = {SIGTSTP, SIGQUIT, SIGINT, SIGTERM};  // the last two until an InterruptGuard has them

// For signal handlers, which have no object.
termios g_before;
termios g_raw;
int g_echo = STDOUT_FILENO;
volatile std::sig_atomic_t g_resized = 0;

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

void on_resize(int) { g_resized = 1; }

}  // namespace

void put(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(g_echo, text.data(), text.size());
    if (n < 0 && errno != EINTR) return;  // what is typed does not depend on its echo
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
}

bool open() {
  if (isatty(STDIN_FILENO) != 1 || tcgetattr(STDIN_FILENO, &g_before) != 0) return false;
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
  handle(SIGWINCH, on_resize);
  enter();
  return true;
}

void close() {
  leave();
  for (const int signal : kStops) handle(signal, SIG_DFL);
  handle(SIGCONT, SIG_DFL);
  handle(SIGWINCH, SIG_DFL);
  if (g_echo != STDOUT_FILENO) ::close(g_echo);
  g_echo = STDOUT_FILENO;
}

bool is_key(char c, int which) { return c != '\0' && static_cast<cc_t>(c) == g_before.c_cc[which]; }

bool resized() {
  const bool changed = g_resized != 0;
  g_resized = 0;
  return changed;
}

Size size() {
  winsize w{};
  if (ioctl(g_echo, TIOCGWINSZ, &w) != 0) return {};
  return {w.ws_col, w.ws_row};
}

}  // namespace kedge::tools::terminal
