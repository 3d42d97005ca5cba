// Whose the files of a log are. Looked at by name, before SQLite opens the database: a descriptor of ours on it would
// drop the locks of this process when it is closed.
#pragma once

#include <string>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::router::audit {

enum class Access { kRead, kWrite };

// Refuses what somebody else could have put there or can change. For both: every file that is there is a regular one
// (no symbolic link, no pipe) and nobody but its owner may write it. For writing also: the files belong to this user,
// and nobody else can put files into the folder. (The key is read by SigningKey, which wants it unreadable for others.)
// Errors: kNotFound (no database), kIo (names the file, its owner or mode, and the limit).
Status check_ownership(const std::string& db, Access access);
Status check_folder(const std::string& db);  // the last of these, before there is a file
// A file that is to become a log: made by somebody else, it might be open to readers.
Status check_unread(const std::string& path);
// The same for one file of the log elsewhere; one that is not there is fine.
Status check_owned_file(const std::string& path, Access access);
// For a report: every file of the log that kRead refuses.
std::vector<std::string> ownership_problems(const std::string& db);

}  // namespace kedge::router::audit
