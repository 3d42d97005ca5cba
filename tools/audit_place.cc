#include "tools/audit_place.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "tools/command.h"
#include "tools/state_folder.h"

namespace kedge::tools {

namespace {

constexpr const char* kFormerPlace = "kedge-audit.db";  // in the working folder

std::string default_log() {
  const std::string folder = state_folder();
  if (folder.empty()) throw Failure("there is no home folder to keep the record of answers in: name it with --audit");
  return folder + "/audit.db";
}

}  // namespace

std::string audit_log_to_read(const std::string& given) {
  if (!given.empty()) return given;
  const std::string path = default_log();
  if (access(path.c_str(), F_OK) == 0) return path;
  if (access(kFormerPlace, F_OK) != 0)
    throw Failure(path + ": " + std::strerror(errno) + ": no answer is recorded yet");
  throw Failure(path + ": no answer is recorded yet; the log of this folder is read with --db " + kFormerPlace);
}

std::string audit_log_to_write() {
  const std::string path = default_log();
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(), error);
  if (!error && mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) error.assign(errno, std::generic_category());
  if (!error) return path;
  throw Failure(folder.string() + ": cannot make the folder for the record of answers: " + error.message() +
                "; name another place with --audit FILE, or keep none with --no-audit");
}

}  // namespace kedge::tools
