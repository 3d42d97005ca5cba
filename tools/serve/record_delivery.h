// Copies the record of answers to a PostgreSQL database, each record once. The log itself, SQLite's file, is the
// outbox: a record is in it before its answer is said, so nothing is lost however either side ends, and no request
// waits for the other side. How far the copy is stands in the copy.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "tools/serve/log.h"
#include "tools/serve/metrics.h"
#include "tools/serve/postgres.h"
#include "tools/serve/state_directory.h"

namespace kedge::tools::serve {

class RecordDelivery {
 public:
  // `log_file`: the log that the router writes. The others outlive this. Begins at once, on a thread of its own.
  RecordDelivery(std::string log_file, std::string url, std::chrono::milliseconds every, const StateDirectory& state,
                 Log& log, Metrics& metrics);
  // Tries once more for a moment; what is left then is delivered after the next start.
  ~RecordDelivery();

 private:
  void run();
  base::Status round();
  base::Status connect();
  base::Status deliver_part();
  base::Status check(const base::Json& records);
  void count_waiting();
  void report(const base::Status& status);
  int64_t known_place() const;  // what the last run knew, for as long as nobody can be asked
  void keep_place() const;

  const std::string log_file_;
  const std::string url_;
  const std::chrono::milliseconds every_;
  const StateDirectory& state_;
  Log& log_;
  Gauge& waiting_;
  Gauge& up_;
  Counter& delivered_total_;
  Counter& failures_;

  std::optional<Postgres> postgres_;
  std::string log_id_;     // of the log in the copy: its database_id
  int64_t newest_ = 0;     // number of the last record of the log
  int64_t delivered_ = 0;  // all records up to this one are in the copy
  std::string told_;       // the failure that the log has
  StopFlag stop_;          // ends the thread's sleep
  StopFlag leave_;         // ends what it does with PostgreSQL too
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace kedge::tools::serve
