#include "router/audit/mirror.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "router/audit/ownership.h"
#include "router/audit/schema.h"

namespace kedge::router::audit {

bool same_file(const std::string& a, const std::string& b) {
  struct stat first {
  }, second{};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

Status check_outside(const std::string& path, const std::string& db) {
  for (const std::string& own : {db, db + "-wal", db + "-shm", db + "-journal", key_path(db), anchor_path(db)}) {
    if (path != own && !same_file(path, own)) continue;
    return Error{ErrorCode::kInvalidArgument, path + ": is a file of the log itself; heads kept elsewhere are meant"};
  }
  return {};
}

Result<Mirror> Mirror::open(const std::string& path, const std::string& db) {
  KEDGE_TRY(check_outside(path, db));
  KEDGE_TRY(check_owned_file(path, Access::kWrite));
  KEDGE_ASSIGN(file, File::open(path, O_RDWR | O_CREAT, 0644));
  return Mirror(Anchor(std::move(file)));
}

Status Mirror::catch_up(const sqlite::Database& db, std::string_view genesis) const {
  KEDGE_ASSIGN(tail, file_.tail(genesis));
  KEDGE_TRY(file_.cut(tail));  // what a crash left of a line is written again
  if (!tail.has_header) KEDGE_TRY(file_.append(anchor_header(genesis)));
  KEDGE_ASSIGN(rows, db.prepare(std::string("SELECT ") + kHeadColumns + " FROM heads WHERE seq >= ? ORDER BY seq"));
  KEDGE_TRY(rows.bind(tail.last ? tail.last->seq : 0));
  bool found = !tail.last;
  std::string missing;
  for (;;) {
    KEDGE_ASSIGN(row, rows.step());
    if (!row) break;
    KEDGE_ASSIGN(head, read_head(rows));
    if (found) {
      missing += head_line(head);
    } else if (head_line(head) == head_line(*tail.last)) {
      found = true;
    } else {
      break;
    }
  }
  if (!found) {
    return Error{ErrorCode::kCorrupt, db.path() + ": does not have the head of record " +
                                          std::to_string(tail.last->seq) + " that its mirror " + file_.file().path() +
                                          " has: the log was put back to an older state or replaced"};
  }
  return missing.empty() ? Status() : file_.append(missing);
}

}  // namespace kedge::router::audit
