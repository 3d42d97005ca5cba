#include "tools/serve/record_delivery.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "kedge/kedge_router.hpp"

namespace kedge::tools::serve {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;

constexpr int64_t kPart = 64;      // records of one statement
constexpr int kLongestPause = 16;  // times the setting, after failures
constexpr auto kTick = std::chrono::milliseconds(20);
constexpr int kTicksAtEnd = 100;
constexpr const char* kFolder = "postgres";
constexpr const char* kPlace = "delivered.json";

// Several servers may find no tables at once: the lock is for them. Names are looked up by the connection's
// search_path.
constexpr const char* kTables[] = {
    "SELECT pg_advisory_xact_lock(5424973317362)",
    "CREATE TABLE IF NOT EXISTS kedge_logs (log text PRIMARY KEY, genesis text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS kedge_records (log text NOT NULL, seq bigint NOT NULL, id text NOT NULL, "
    "created timestamptz NOT NULL, prev text NOT NULL, hash text NOT NULL, json text NOT NULL, "
    "PRIMARY KEY (log, seq), UNIQUE (log, id))",
    "CREATE TABLE IF NOT EXISTS kedge_heads (log text NOT NULL, first bigint NOT NULL, seq bigint NOT NULL, "
    "hash text NOT NULL, created timestamptz NOT NULL, key_id text NOT NULL, signature text NOT NULL, "
    "PRIMARY KEY (log, seq))"};
constexpr const char* kInsertHeads =
    "INSERT INTO kedge_heads SELECT $1, x.first, x.seq, x.hash, x.created, x.key_id, x.signature FROM "
    "json_to_recordset($2::json) AS x(first bigint, seq bigint, hash text, created timestamptz, key_id text, "
    "signature text) ON CONFLICT DO NOTHING";
constexpr const char* kInsertRecords =
    "INSERT INTO kedge_records SELECT $1, x.seq, x.id, x.created, x.prev, x.hash, x.json FROM "
    "json_to_recordset($2::json) AS x(seq bigint, id text, created timestamptz, prev text, hash text, json text) "
    "ON CONFLICT DO NOTHING";

Result<std::string> call(kedge_status (*function)(const char*, size_t, char**, size_t*), const Json& request) {
  auto answer = kedge::call(function, request.dump());
  if (!answer.ok()) return Error{static_cast<ErrorCode>(answer.error().code), answer.error().message};
  return *std::move(answer);
}

struct Part {
  Json genesis;
  Json records = Json::array();
  Json heads = Json::array();
};

// The records behind `after`, as the export has them.
Result<Part> read_part(const std::string& db, int64_t after, int64_t limit = kPart) {
  KEDGE_ASSIGN(text, call(kedge_audit_export, {{"db", db}, {"after", after}, {"limit", limit}}));
  Part part;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    KEDGE_ASSIGN(json, base::parse_json(line, "a line of the export"));
    const std::string type = json.value("type", "");
    if (type == "log") part.genesis = json["genesis"];
    if (type == "head") part.heads.push_back(json);
    if (type != "record") continue;
    KEDGE_ASSIGN(record, base::parse_json(json["json"].get<std::string>(), "a record"));
    part.records.push_back({{"seq", json["seq"]},
                            {"id", record["id"]},
                            {"created", record["kedge"]["created"]},
                            {"prev", json["prev"]},
                            {"hash", json["hash"]},
                            {"json", json["json"]}});
  }
  return part;
}

}  // namespace

RecordDelivery::RecordDelivery(std::string log_file, std::string url, std::chrono::milliseconds every,
                               const StateDirectory& state, Log& log, Metrics& metrics)
    : log_file_(std::move(log_file)),
      url_(std::move(url)),
      every_(every),
      state_(state),
      log_(log),
      waiting_(metrics.gauge("kedge_records_pending", "Records that are not in PostgreSQL yet.")),
      up_(metrics.gauge("kedge_records_postgres_up", "1 while records go to PostgreSQL, 0 while they cannot.")),
      delivered_total_(metrics.counter("kedge_records_delivered_total", "Records that PostgreSQL has confirmed.")),
      failures_(metrics.counter("kedge_records_delivery_failures_total", "Times that PostgreSQL took no records.")),
      delivered_(known_place()),
      thread_([this] { run(); }) {}

RecordDelivery::~RecordDelivery() {
  stop_.set();
  for (int i = 0; i < kTicksAtEnd && !done_; ++i) std::this_thread::sleep_for(kTick);
  leave_.set();
  thread_.join();
}

void RecordDelivery::run() {
  auto pause = every_;
  auto next = std::chrono::steady_clock::now();
  bool ending = false;
  while (true) {
    count_waiting();
    if (ending || std::chrono::steady_clock::now() >= next) {
      const Status status = round();
      report(status);
      pause = status.ok() ? every_ : std::min(2 * pause, kLongestPause * every_);
      next = std::chrono::steady_clock::now() + pause;
      if (status.ok()) next = {};
    }
    if (ending) break;
    ending = stop_.wait(every_);
  }
  done_ = true;
}

void RecordDelivery::count_waiting() {
  const auto listed = call(kedge_audit_list, {{"db", log_file_}, {"limit", 1}});
  if (!listed.ok()) return;  // the round says so
  newest_ = Json::parse(*listed).value("total", int64_t{0});
  waiting_.set(static_cast<double>(std::max<int64_t>(0, newest_ - delivered_)));
}

Status RecordDelivery::round() {
  if (!postgres_ || !postgres_->good()) KEDGE_TRY(connect());
  while (delivered_ < newest_) {
    const Status status = deliver_part();
    if (!status.ok()) {
      postgres_.reset();
      return status;
    }
    count_waiting();
  }
  return {};
}

Status RecordDelivery::connect() {
  postgres_.reset();
  KEDGE_ASSIGN(connection, Postgres::connect(url_, leave_));
  KEDGE_ASSIGN(there, connection.query("SELECT to_regclass('kedge_logs') IS NOT NULL AND to_regclass('kedge_records') "
                                       "IS NOT NULL AND to_regclass('kedge_heads') IS NOT NULL"));
  if (there[0][0] != "t") {
    KEDGE_TRY(connection.query("BEGIN"));
    for (const char* sql : kTables) KEDGE_TRY(connection.query(sql));
    KEDGE_TRY(connection.query("COMMIT"));
  }
  KEDGE_ASSIGN(part, read_part(log_file_, newest_));  // who the log is; there are no records behind its last
  log_id_ = part.genesis.value("database_id", "");
  KEDGE_TRY(connection.query("INSERT INTO kedge_logs VALUES ($1, $2) ON CONFLICT DO NOTHING",
                             {log_id_, part.genesis.dump()}));
  KEDGE_ASSIGN(place,
               connection.query("SELECT coalesce(max(seq), 0), count(*) FROM kedge_records WHERE log = $1", {log_id_}));
  const int64_t last = std::stoll(place[0][0]);
  count_waiting();  // another process may have added what another has delivered
  if (last > newest_) {
    return Error{ErrorCode::kCorrupt, "PostgreSQL has record " + std::to_string(last) + " of this log, but " +
                                          log_file_ + " ends at " + std::to_string(newest_) +
                                          ": the file was put back to an older state"};
  }
  // Rows that somebody has taken out are delivered again.
  delivered_ = std::stoll(place[0][1]) == last ? last : 0;
  postgres_ = std::move(connection);
  if (delivered_ == 0) return {};
  KEDGE_ASSIGN(newest, read_part(log_file_, last - 1, 1));
  const Status same = check(newest.records);
  if (!same.ok()) {
    --delivered_;
    postgres_.reset();
  }
  return same;
}

Status RecordDelivery::deliver_part() {
  KEDGE_ASSIGN(part, read_part(log_file_, delivered_));
  if (part.records.empty())
    return Error{ErrorCode::kCorrupt, log_file_ + ": has no record behind number " + std::to_string(delivered_)};
  // Heads first: how far the copy is, its records say.
  KEDGE_TRY(postgres_->query(kInsertHeads, {log_id_, part.heads.dump()}));
  KEDGE_TRY(postgres_->query(kInsertRecords, {log_id_, part.records.dump()}));
  KEDGE_TRY(check(part.records));
  delivered_ = part.records.back()["seq"].get<int64_t>();
  delivered_total_.add(part.records.size());
  keep_place();
  return {};
}

// What was there already stays as it is: it has to be the same.
Status RecordDelivery::check(const Json& records) {
  const std::string first = records[size_t{0}]["seq"].dump();
  const std::string last = records.back()["seq"].dump();
  KEDGE_ASSIGN(rows, postgres_->query("SELECT seq, hash FROM kedge_records WHERE log = $1 AND seq BETWEEN $2 AND $3 "
                                      "ORDER BY seq",
                                      {log_id_, first, last}));
  for (size_t i = 0; i < records.size(); ++i) {
    const std::string seq = records[i]["seq"].dump();
    const std::string hash = records[i]["hash"];
    if (i < rows.size() && rows[i][0] == seq && rows[i][1] == hash) continue;
    const std::string has = i < rows.size() && rows[i][0] == seq ? "hash " + rows[i][1] : "none";
    return Error{ErrorCode::kCorrupt, "record " + seq + " of log " + log_id_ + " has hash " + hash +
                                          ", PostgreSQL has " + has + ": nothing is overwritten"};
  }
  return {};
}

void RecordDelivery::report(const Status& status) {
  up_.set(status.ok() ? 1 : 0);
  if (status.ok()) {
    if (!told_.empty()) log_.event("records_delivered_again", {{"delivered", delivered_}});
    told_.clear();
    return;
  }
  if (status.error().code == ErrorCode::kCancelled) return;
  failures_.add();
  if (status.error().message == std::exchange(told_, status.error().message)) return;
  log_.event("records_not_delivered", {{"what", told_}, {"pending", newest_ - delivered_}});
}

int64_t RecordDelivery::known_place() const {
  const auto text = state_.read(kFolder, kPlace);
  if (!text.ok()) return 0;
  const auto json = base::parse_json(*text, kPlace);
  if (!json.ok() || !json->is_object() || json->value("file", "") != log_file_) return 0;
  return json->value("delivered", int64_t{0});
}

void RecordDelivery::keep_place() const {
  static_cast<void>(state_.write(kFolder, kPlace, Json{{"file", log_file_}, {"delivered", delivered_}}.dump()));
}

}  // namespace kedge::tools::serve
