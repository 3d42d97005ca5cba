#include "router/sqlite_schema.h"

#include <sqlite3.h>

#include <map>
#include <memory>

namespace kedge::router::sqlite {

namespace {

constexpr int kStepsPerTick = 1000;
constexpr int64_t kSchemaSteps = 1'000'000;
constexpr size_t kMaxDifferences = 20;

struct Object {
  std::string type;
  std::string table;
  std::string sql;
  bool operator==(const Object&) const = default;
};

using Objects = std::map<std::string, Object>;

Result<Objects> objects_of(const Database& db) {
  Objects all;
  KEDGE_ASSIGN(rows, db.prepare("SELECT name, type, tbl_name, coalesce(sql, '') FROM sqlite_schema"));
  while (true) {
    KEDGE_ASSIGN(more, rows.step());
    if (!more) return all;
    all[rows.bytes(0)] = {rows.bytes(1), rows.bytes(2), rows.bytes(3)};
  }
}

// A callback of SQLite: nothing may be thrown through it.
int collect(void* all, int, char** values, char**) noexcept {
  try {
    (*static_cast<Objects*>(all))[values[0]] = {values[1], values[2], values[3]};
    return 0;
  } catch (...) {
    return 1;
  }
}

// What the statements make in an empty database in memory.
Result<Objects> objects_made_by(const std::string& sql) {
  sqlite3* raw = nullptr;
  int code = sqlite3_open(":memory:", &raw);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)> db(raw, &sqlite3_close_v2);
  Objects all;
  const char* list = "SELECT name, type, tbl_name, coalesce(sql, '') FROM sqlite_schema";
  if (code == SQLITE_OK) code = sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) code = sqlite3_exec(raw, list, collect, &all, nullptr);
  if (code == SQLITE_OK) return all;
  return Error{ErrorCode::kUnsupported,
               std::string("the SQLite library cannot make the tables of a database of ours: ") +
                   (raw == nullptr ? "out of memory" : sqlite3_errmsg(raw))};
}

}  // namespace

StepLimit::StepLimit(const Database& db, int64_t n) : db_(&db), left_(n) {
  sqlite3_progress_handler(db.handle(), kStepsPerTick, tick, this);
}

StepLimit::~StepLimit() { sqlite3_progress_handler(db_->handle(), 0, nullptr, nullptr); }

int StepLimit::tick(void* self) {
  auto* limit = static_cast<StepLimit*>(self);
  limit->left_ -= kStepsPerTick;
  return limit->left_ <= 0 ? 1 : 0;
}

Result<std::vector<std::string>> schema_differences(const Database& db, const char* schema_sql) {
  KEDGE_ASSIGN(expected, objects_made_by(schema_sql));
  const StepLimit limit(db, kSchemaSteps);
  KEDGE_ASSIGN(found, objects_of(db));
  std::vector<std::string> differences;
  for (const auto& [name, object] : found) {
    if (differences.size() == kMaxDifferences) break;
    const auto same = expected.find(name);
    if (same == expected.end()) {
      differences.push_back("the " + object.type + " '" + name + "' is no part of it");
    } else if (same->second != object) {
      differences.push_back("the " + same->second.type + " '" + name + "' is not as it was created");
    }
  }
  for (const auto& [name, object] : expected) {
    if (!found.contains(name)) differences.push_back("the " + object.type + " '" + name + "' is missing");
  }
  return differences;
}

}  // namespace kedge::router::sqlite
