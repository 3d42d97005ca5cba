#include "tools/attachment.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "kernels/base/utf8.h"
#include "tools/command.h"

extern char** environ;

namespace kedge::tools {

namespace {

// What a program writes to standard output; its exit code, 127 when it is not there.
int output_of(const char* program, const std::string& file, std::string& text) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return 127;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  // A path, whatever it begins with: never an option.
  const std::string path = file.starts_with('/') ? file : "./" + file;
  std::string name = program;
  std::string utf8[] = {"-enc", "UTF-8", path, "-"};
  char* arguments[] = {name.data(), utf8[0].data(), utf8[1].data(), utf8[2].data(), utf8[3].data(), nullptr};
  pid_t child = 0;
  const int failed = posix_spawnp(&child, program, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  char buffer[16384];
  ssize_t n = 0;
  while (failed == 0 && ((n = ::read(ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR))) {
    if (n > 0) text.append(buffer, static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  if (failed != 0) return 127;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

std::string attachment_text(const std::string& path) {
  std::string text = read_text(path);
  if (text.starts_with("%PDF-")) {
    text.clear();
    const int code = output_of("pdftotext", path, text);
    if (code == 127) throw Failure(path + ": a PDF needs pdftotext (Debian's poppler-utils), which is not there");
    if (code != 0) throw Failure(path + format(": pdftotext cannot read it (exit code %d)", code));
    if (text.find_first_not_of(" \t\r\n\f") == std::string::npos) {
      throw Failure(path + ": the PDF has no text, only pictures perhaps");
    }
  }
  if (!base::utf8_valid(text) || text.find('\0') != std::string::npos) throw Failure(path + ": is no UTF-8 text");
  return text;
}

}  // namespace kedge::tools
