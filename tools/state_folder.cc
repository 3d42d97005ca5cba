#include "tools/state_folder.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "tools/variable.h"

namespace kedge::tools {

namespace {

// A path that is not absolute is to be ignored, says the XDG specification.
bool is_path(const std::string& text) { return text.starts_with('/'); }

bool make_private_folder(const std::filesystem::path& folder) {
  struct stat s {};
  if (stat(folder.c_str(), &s) == 0) return true;
  if (folder.has_parent_path() && folder.parent_path() != folder && !make_private_folder(folder.parent_path())) {
    return false;
  }
  return mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST;
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(file, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool write_to(const std::string& path, int flags, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
  if (file < 0) return false;
  const bool written = write_all(file, text);
  const int error = errno;
  const bool closed = ::close(file) == 0;
  if (!written) errno = error;
  return written && closed;
}

std::string folder(const char* name, const char* in_home) {
  if (const std::string given = variable(name); is_path(given)) return given + "/kedge";
  std::string home = variable("HOME");
  if (!is_path(home)) {
    const passwd* user = getpwuid(geteuid());
    home = user == nullptr ? "" : user->pw_dir;
  }
  return is_path(home) ? home + in_home + "/kedge" : "";
}

}  // namespace

std::string state_folder() { return folder("XDG_STATE_HOME", "/.local/state"); }
std::string config_folder() { return folder("XDG_CONFIG_HOME", "/.config"); }

bool write_private(const std::string& path, std::string_view text) {
  if (!make_private_folder(std::filesystem::path(path).parent_path())) return false;
  const std::string fresh = path + "." + std::to_string(getpid()) + ".part";
  if (write_to(fresh, O_TRUNC, text) && std::rename(fresh.c_str(), path.c_str()) == 0) return true;
  const int error = errno;
  ::unlink(fresh.c_str());
  errno = error;
  return false;
}

bool append_private(const std::string& path, std::string_view text) {
  return make_private_folder(std::filesystem::path(path).parent_path()) && write_to(path, O_APPEND, text);
}

}  // namespace kedge::tools
