// SQLite keeps the locks of a process in tables of its own, and a child inherits the tables but not the locks: what it
// opened then would have none, and the next to close would take the write-ahead log away under it. So it is known which
// files were open when the process was forked, and the child is refused those (sqlite.org/howtocorrupt.html, 2.6).
#pragma once

#include <string>

#include "kernels/base/result.h"

struct sqlite3;

namespace kedge::router::sqlite {

// Before a database is opened with locks. Error: kInvalidArgument, when this process was forked from one that had it
// open.
Status check_not_inherited(const std::string& path);
void remember_open(const sqlite3* db, const std::string& path);
bool is_own(const sqlite3* db);  // false in a child of the process that opened it
void close_own(sqlite3* db);     // leaves alone what is not: a child must not even close what its parent has open

}  // namespace kedge::router::sqlite
