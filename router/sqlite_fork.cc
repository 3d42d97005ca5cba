#include "router/sqlite_fork.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace kedge::router::sqlite {

namespace {

struct OpenFile {
  dev_t device;
  ino_t inode;
  pid_t owner;
};

struct OpenFiles {
  std::mutex mutex;
  std::map<const sqlite3*, OpenFile> files;
};

OpenFiles& open_files();

// A thread of the parent may hold the mutex while another one forks.
OpenFiles* make_open_files() {
  pthread_atfork([] { open_files().mutex.lock(); }, [] { open_files().mutex.unlock(); },
                 [] { open_files().mutex.unlock(); });
  return new OpenFiles();
}

OpenFiles& open_files() {
  static OpenFiles* const all = make_open_files();  // lives as long as the process: connections may be static too
  return *all;
}

}  // namespace

Status check_not_inherited(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  OpenFiles& all = open_files();
  const std::lock_guard lock(all.mutex);
  const bool inherited = std::any_of(all.files.begin(), all.files.end(), [&](const auto& entry) {
    const OpenFile& f = entry.second;
    return f.owner != ::getpid() && f.device == info.st_dev && f.inode == info.st_ino;
  });
  if (!inherited) return {};
  return Error{ErrorCode::kInvalidArgument,
               path +
                   ": was open when this process was forked from its parent, and SQLite gives a child no locks on it; "
                   "open it in the parent only, or after exec"};
}

void remember_open(const sqlite3* db, const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) info = {};
  OpenFiles& all = open_files();
  const std::lock_guard lock(all.mutex);
  all.files[db] = {info.st_dev, info.st_ino, ::getpid()};
}

void close_own(sqlite3* db) {
  OpenFiles& all = open_files();
  const std::lock_guard lock(all.mutex);  // a fork waits: it is either open or closed then
  const auto found = all.files.find(db);
  if (found != all.files.end() && found->second.owner != ::getpid()) return;
  if (found != all.files.end()) all.files.erase(found);
  sqlite3_close_v2(db);
}

bool is_own(const sqlite3* db) {
  OpenFiles& all = open_files();
  const std::lock_guard lock(all.mutex);
  const auto found = all.files.find(db);
  return found == all.files.end() || found->second.owner == ::getpid();
}

}  // namespace kedge::router::sqlite
