#include "router/audit/ownership.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "router/audit/schema.h"

namespace kedge::router::audit {

namespace {

Error refused(const std::string& path, const std::string& why) { return {ErrorCode::kIo, path + ": " + why}; }

std::string mode_text(mode_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%03o", mode & 0777u);
  return text;
}

std::vector<std::string> files_of(const std::string& db) {
  return {db, db + "-wal", db + "-shm", db + "-journal", key_path(db), anchor_path(db)};
}

}  // namespace

Status check_owned_file(const std::string& path, Access access) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return refused(path, std::strerror(errno));
  }
  if (S_ISLNK(info.st_mode)) return refused(path, "is a symbolic link; a file of an audit log is none");
  if (!S_ISREG(info.st_mode)) return refused(path, "is not a regular file");
  if ((info.st_mode & 022u) != 0) {
    return refused(path, "has mode " + mode_text(info.st_mode) + ", others than its owner may write it (chmod 600)");
  }
  if (access == Access::kRead) return {};
  if (info.st_uid != ::geteuid()) {
    return refused(path, "belongs to user " + std::to_string(info.st_uid) + ", not to " + std::to_string(::geteuid()) +
                             " who would write it");
  }
  if (::access(path.c_str(), W_OK) != 0) return refused(path, std::string("cannot write: ") + std::strerror(errno));
  return {};
}

// Who can put a file into the folder can put one in place of ours, except where it is sticky (/tmp).
Status check_folder(const std::string& db) {
  const size_t slash = db.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : db.substr(0, slash + 1);
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) return refused(folder, std::strerror(errno));
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    return refused(folder, "the folder of the audit log belongs to user " + std::to_string(info.st_uid) + ", not to " +
                               std::to_string(::geteuid()) + " or root");
  }
  if ((info.st_mode & 022u) != 0 && (info.st_mode & S_ISVTX) == 0) {
    return refused(folder, "the folder of the audit log has mode " + mode_text(info.st_mode) +
                               ", others can put files into it (chmod go-w, or another folder)");
  }
  return {};
}

Status check_ownership(const std::string& db, Access access) {
  if (access == Access::kWrite) KEDGE_TRY(check_folder(db));
  struct stat info {};
  if (::lstat(db.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return Error{ErrorCode::kNotFound, db + ": " + std::strerror(errno)};
  }
  for (const std::string& file : files_of(db)) KEDGE_TRY(check_owned_file(file, access));
  return {};
}

Status check_unread(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && (info.st_mode & 077u) == 0) return {};
  return refused(path, "has mode " + mode_text(info.st_mode) +
                           ", others may read what would be recorded; limit is 600 (chmod 600)");
}

std::vector<std::string> ownership_problems(const std::string& db) {
  std::vector<std::string> problems;
  for (const std::string& file : files_of(db)) {
    Status status = check_owned_file(file, Access::kRead);
    if (!status.ok()) problems.push_back(std::move(status).error().message);
  }
  return problems;
}

}  // namespace kedge::router::audit
