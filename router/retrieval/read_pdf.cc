// The text of a PDF through poppler's pdftotext: a program of its own, so that a broken file cannot take us down.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "kernels/base/utf8_cut.h"
#include "router/retrieval/document.h"
#include "router/retrieval/text_clean.h"

extern char** environ;

namespace kedge::retrieval {

namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;
constexpr size_t kMaxMessage = 2000;
constexpr int kPollMs = 100;

std::string message_of(int code) { return std::generic_category().message(code); }

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  bool open() { return ::pipe2(ends, O_CLOEXEC) == 0; }
  void close_end(int i) {
    if (ends[i] >= 0) ::close(ends[i]);
    ends[i] = -1;
  }
};

// A child process; killed when it is left before it ended.
struct Child {
  pid_t pid = -1;
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid < 0) return;
    ::kill(pid, SIGKILL);
    wait();
  }
  int wait() {  // the status of waitpid, -1 when there is none to have
    int status = -1;
    while (::waitpid(pid, &status, 0) < 0) {
      if (errno == EINTR) continue;
      status = -1;
      break;
    }
    pid = -1;
    return status;
  }
};

// 0, or an error number.
int start(const std::string& path, const Pipe& output, const Pipe& errors, Child& child) {
  std::string program = "pdftotext";
  // A path that begins with '-' would be an option, and "-" standard input.
  std::string file = path.starts_with('-') ? "./" + path : path;
  std::string options[] = {"-enc", "UTF-8", "-eol", "unix", "-nopgbrk"};
  std::string target = "-";
  char* argv[10] = {program.data()};
  size_t n = 1;
  for (std::string& option : options) argv[n++] = option.data();
  argv[n++] = file.data();
  argv[n++] = target.data();
  argv[n] = nullptr;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int code = posix_spawn_file_actions_init(&actions);
  if (code != 0) return code;
  if (code = posix_spawnattr_init(&attributes); code == 0) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output.ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors.ends[1], STDERR_FILENO);
    // A group of its own: Ctrl-C is for us, and we stop the child when asked to.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    code = posix_spawnp(&child.pid, program.c_str(), &actions, &attributes, argv, environ);
    if (code != 0) child.pid = -1;
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

// Both outputs until the child closes them.
Status read_both(Pipe& output, Pipe& errors, const std::string& path, const GoOn& go_on, std::string* out,
                 std::string* err) {
  pollfd fds[2] = {{output.ends[0], POLLIN, 0}, {errors.ends[0], POLLIN, 0}};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (go_on && !go_on()) return Error{ErrorCode::kCancelled, path + ": cancelled"};
    if (::poll(fds, 2, kPollMs) < 0 && errno != EINTR) {
      return Error{ErrorCode::kIo, path + ": cannot wait for pdftotext: " + message_of(errno)};
    }
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      char buffer[65536];
      const ssize_t n = ::read(fds[i].fd, buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Error{ErrorCode::kIo, path + ": cannot read from pdftotext: " + message_of(errno)};
      if (n == 0) {
        fds[i].fd = -1;  // poll() passes over it
        continue;
      }
      std::string& text = i == 0 ? *out : *err;
      if (i == 0 || text.size() < kMaxMessage) text.append(buffer, static_cast<size_t>(n));
      if (out->size() > kMaxBytes) {
        return Error{ErrorCode::kCapacity, path + ": more than " + std::to_string(kMaxBytes) + " bytes of text"};
      }
    }
  }
  return {};
}

}  // namespace

Result<Document> read_pdf(const std::string& path, const GoOn& go_on) {
  Pipe output;
  Pipe errors;
  if (!output.open() || !errors.open()) {
    return Error{ErrorCode::kIo, path + ": cannot make a pipe: " + message_of(errno)};
  }
  Child child;
  if (const int code = start(path, output, errors, child); code != 0) {
    return Error{code == ENOENT ? ErrorCode::kUnsupported : ErrorCode::kIo,
                 path + ": PDF needs the program pdftotext (Debian package poppler-utils): " + message_of(code)};
  }
  output.close_end(1);
  errors.close_end(1);
  std::string text;
  std::string complaint;
  KEDGE_TRY(read_both(output, errors, path, go_on, &text, &complaint));
  const int status = child.wait();
  if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    // Where the system's posix_spawn cannot tell, a missing program is a child that ended with 127.
    const bool missing = status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 127;
    std::string why(trim(utf8_cut(complaint, kMaxMessage)));
    std::replace(why.begin(), why.end(), '\n', ';');
    if (why.empty()) why = missing ? "not installed" : "status " + std::to_string(status);
    return Error{missing ? ErrorCode::kUnsupported : ErrorCode::kInvalidArgument,
                 path + ": pdftotext (poppler-utils) failed: " + why};
  }
  return read_plain_text(text, path);
}

}  // namespace kedge::retrieval
