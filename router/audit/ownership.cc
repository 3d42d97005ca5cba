#include "router/audit/ownership.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "router/audit/schema.h"

namespace kedge::audit {

namespace {

Error refused(const std::string& path, const std::string& why) { return {ErrorCode::kIo, path + ": " + why}; }

std::string mode_text(mode_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%03o", mode & 0777u);
  return text;
}

// The files that may stand beside the database, and whether they hold what others must not read.
struct Part {
  std::string path;
  bool secret;
};
std::vector<Part> parts(const std::string& db) {
  return {{db, true},           {db + "-wal", true},     {db + "-shm", true}, {db + "-journal", true},
          {key_path(db), true}, {anchor_path(db), false}};
}

Status check_part(const Part& part, Access access) {
  struct stat info {};
  if (::lstat(part.path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return refused(part.path, std::strerror(errno));
  }
  if (S_ISLNK(info.st_mode)) return refused(part.path, "is a symbolic link; a file of an audit log is none");
  if (!S_ISREG(info.st_mode)) return refused(part.path, "is not a regular file");
  const mode_t others = info.st_mode & (access == Access::kWrite && part.secret ? 077u : 022u);
  if (others != 0) {
    return refused(part.path, "has mode " + mode_text(info.st_mode) + ", others than its owner may " +
                                  ((others & 022u) != 0 ? "write" : "read") + " it; limit is 600 (chmod 600)");
  }
  if (access == Access::kRead) return {};
  if (info.st_uid != ::geteuid()) {
    return refused(part.path, "belongs to user " + std::to_string(info.st_uid) + ", not to " +
                                  std::to_string(::geteuid()) + " who would write it");
  }
  if (::access(part.path.c_str(), W_OK) != 0)
    return refused(part.path, std::string("cannot write: ") + std::strerror(errno));
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

}  // namespace

Status check_owned_file(const std::string& path, Access access) { return check_part({path, false}, access); }

Status check_ownership(const std::string& db, Access access) {
  if (access == Access::kWrite) KEDGE_TRY(check_folder(db));
  struct stat info {};
  if (::lstat(db.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return Error{ErrorCode::kNotFound, db + ": " + std::strerror(errno)};
  }
  for (const Part& part : parts(db)) KEDGE_TRY(check_part(part, access));
  return {};
}

std::vector<std::string> ownership_problems(const std::string& db) {
  std::vector<std::string> problems;
  for (const Part& part : parts(db)) {
    Status status = check_part(part, Access::kRead);
    if (!status.ok()) problems.push_back(std::move(status).error().message);
  }
  return problems;
}

}  // namespace kedge::audit
