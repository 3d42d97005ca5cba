#include "tools/serve/postgres.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "tools/command.h"

#ifdef KEDGE_HAS_LIBPQ
#include <libpq-fe.h>
#endif

namespace kedge::tools::serve {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;

StopFlag::StopFlag() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw Failure(std::string("eventfd: ") + std::strerror(errno));
}

StopFlag::~StopFlag() { ::close(fd_); }

void StopFlag::set() const {
  const uint64_t one = 1;
  static_cast<void>(!::write(fd_, &one, sizeof one));  // it can fail only when the flag is set many times over
}

bool StopFlag::wait(std::chrono::milliseconds most) const {
  pollfd one{.fd = fd_, .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, static_cast<int>(most.count())) > 0;
}

#ifdef KEDGE_HAS_LIBPQ

namespace {

constexpr auto kToConnect = std::chrono::seconds(10);
constexpr auto kToAnswer = std::chrono::seconds(60);

struct FreeResult {
  void operator()(PGresult* r) const { PQclear(r); }
};
using ResultPtr = std::unique_ptr<PGresult, FreeResult>;

// libpq's messages end lines as a terminal wants them.
std::string in_a_line(const char* text) {
  std::string out = text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  for (char& c : out) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return out.empty() ? "no reason given" : out;
}

// What PostgreSQL says itself, with its code. Its details have values of rows: those are for nobody's log.
std::string words_of(const PGresult* result, const char* otherwise) {
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (primary == nullptr) return in_a_line(otherwise);
  return in_a_line(primary) + (state == nullptr ? "" : " (" + std::string(state) + ")");
}

}  // namespace

struct Postgres::Connection {
  PGconn* conn = nullptr;
  const StopFlag* stop = nullptr;
  using Time = std::chrono::steady_clock::time_point;

  ~Connection() { PQfinish(conn); }

  Error lost(const std::string& doing) const {
    return {ErrorCode::kIo, "PostgreSQL: " + doing + ": " + in_a_line(PQerrorMessage(conn))};
  }

  Status wait(short events, Time until, const char* doing) const {
    while (true) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
      if (left <= 0) return Error{ErrorCode::kIo, std::string("PostgreSQL: ") + doing + ": no answer in time"};
      pollfd two[2] = {{.fd = PQsocket(conn), .events = events, .revents = 0},
                       {.fd = stop->descriptor(), .events = POLLIN, .revents = 0}};
      const int n = ::poll(two, 2, static_cast<int>(left));
      if (n < 0 && errno != EINTR) return Error{ErrorCode::kIo, std::string("poll: ") + std::strerror(errno)};
      if (two[1].revents != 0) return Error{ErrorCode::kCancelled, "the server is ending"};
      if (n > 0 && two[0].revents != 0) return {};
    }
  }

  Status connect() const {
    const Time until = std::chrono::steady_clock::now() + kToConnect;
    if (PQstatus(conn) == CONNECTION_BAD) return lost("connecting");
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
      if (next == PGRES_POLLING_FAILED) return lost("connecting");
      KEDGE_TRY(wait(next == PGRES_POLLING_READING ? POLLIN : POLLOUT, until, "connecting"));
      next = PQconnectPoll(conn);
    }
    return PQsetnonblocking(conn, 1) == 0 ? Status() : lost("connecting");
  }

  Status send_all(Time until) const {
    while (true) {
      const int waiting = PQflush(conn);
      if (waiting < 0) return lost("sending");
      if (waiting == 0) return {};
      KEDGE_TRY(wait(POLLIN | POLLOUT, until, "sending"));
      if (PQconsumeInput(conn) == 0) return lost("sending");
    }
  }

  // The last result of the statement.
  Result<ResultPtr> receive(Time until) const {
    ResultPtr last;
    while (true) {
      while (PQisBusy(conn) != 0) {
        KEDGE_TRY(wait(POLLIN, until, "asking"));
        if (PQconsumeInput(conn) == 0) return lost("asking");
      }
      ResultPtr result(PQgetResult(conn));
      if (!result) break;
      last = std::move(result);
    }
    if (!last) return lost("asking");
    return last;
  }
};

std::string Postgres::problem(const std::string& url) {
  char* words = nullptr;
  PQconninfoOption* options = PQconninfoParse(url.c_str(), &words);
  std::string out;
  if (options == nullptr) out = words == nullptr ? "out of memory" : in_a_line(words);
  PQfreemem(words);
  for (const PQconninfoOption* o = options; o != nullptr && o->keyword != nullptr; ++o) {
    if (std::string_view(o->keyword) == "password" && o->val != nullptr) {
      out =
          "a password does not belong into it, where --print-config and lists of processes show it: PGPASSWORD or "
          "passfile=FILE take it";
    }
  }
  PQconninfoFree(options);
  return out;
}

Result<Postgres> Postgres::connect(const std::string& url, const StopFlag& stop) {
  const char* names[] = {"dbname", "fallback_application_name", "client_encoding", nullptr};
  const char* values[] = {url.c_str(), "kedge serve", "UTF8", nullptr};
  auto connection = std::make_unique<Connection>();
  connection->stop = &stop;
  connection->conn = PQconnectStartParams(names, values, 1);
  if (connection->conn == nullptr) return Error{ErrorCode::kCapacity, "PostgreSQL: out of memory"};
  PQsetNoticeReceiver(
      connection->conn, [](void*, const PGresult*) {}, nullptr);
  KEDGE_TRY(connection->connect());
  return Postgres(std::move(connection));
}

Result<Postgres::Rows> Postgres::query(const char* sql, const Parameters& parameters) {
  std::vector<const char*> values;
  for (const std::string& p : parameters) values.push_back(p.c_str());
  const auto until = std::chrono::steady_clock::now() + kToAnswer;
  const int sent = PQsendQueryParams(connection_->conn, sql, static_cast<int>(values.size()), nullptr, values.data(),
                                     nullptr, nullptr, 0);
  if (sent == 0) return connection_->lost("sending");
  KEDGE_TRY(connection_->send_all(until));
  KEDGE_ASSIGN(result, connection_->receive(until));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    return Error{ErrorCode::kIo, "PostgreSQL: " + words_of(result.get(), PQerrorMessage(connection_->conn))};
  }
  Rows rows(static_cast<size_t>(PQntuples(result.get())));
  for (size_t r = 0; r < rows.size(); ++r) {
    for (int c = 0; c < PQnfields(result.get()); ++c)
      rows[r].emplace_back(PQgetvalue(result.get(), static_cast<int>(r), c));
  }
  return rows;
}

bool Postgres::good() const {
  return connection_ && PQstatus(connection_->conn) == CONNECTION_OK &&
         PQtransactionStatus(connection_->conn) == PQTRANS_IDLE;
}

#else

namespace {
constexpr const char* kWithout =
    "this kedge was built without libpq: install libpq-dev (tools/setup.sh does) and build it again";
}

struct Postgres::Connection {};

std::string Postgres::problem(const std::string&) { return kWithout; }
Result<Postgres> Postgres::connect(const std::string&, const StopFlag&) {
  return Error{ErrorCode::kUnsupported, kWithout};
}
Result<Postgres::Rows> Postgres::query(const char*, const Parameters&) {
  return Error{ErrorCode::kUnsupported, kWithout};
}
bool Postgres::good() const { return false; }

#endif

Postgres::Postgres(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Postgres::~Postgres() = default;
Postgres::Postgres(Postgres&&) noexcept = default;
Postgres& Postgres::operator=(Postgres&&) noexcept = default;

}  // namespace kedge::tools::serve
