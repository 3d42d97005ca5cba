// Databases that come from outside: what has to be known before anything of them is run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "router/sqlite.h"

namespace kedge::router::sqlite {

// Bounds what a connection may do: after `n` steps of SQLite's virtual machine the running statement fails as
// interrupted. A view or a trigger in a foreign file can make any statement endless. Lasts as long as the value; one
// per connection at a time. Not moved.
class StepLimit {
 public:
  StepLimit(const Database& db, int64_t n);
  ~StepLimit();
  StepLimit(const StepLimit&) = delete;
  StepLimit& operator=(const StepLimit&) = delete;
  bool reached() const { return left_ <= 0; }

 private:
  static int tick(void* self);
  const Database* db_;
  int64_t left_;
};

// How the database's schema differs from the one that `schema_sql` makes in an empty database: every table, view,
// index and trigger is compared by type, name, table and the exact text it was created with. Runs nothing that the file
// brings along and reads only sqlite_schema. Empty: no difference. Errors: those of Database.
Result<std::vector<std::string>> schema_differences(const Database& db, const char* schema_sql);

}  // namespace kedge::router::sqlite
