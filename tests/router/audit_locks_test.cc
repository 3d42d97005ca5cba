// Several processes and handles on one log. SQLite's locks belong to the process: whoever opens and closes the database
// file in another way drops them (sqlite.org/howtocorrupt.html, 2.2), and the next to close takes the write-ahead log
// away.
#include <fcntl.h>
#include <sys/wait.h>

#include <atomic>
#include <functional>
#include <thread>

#include "router/audit/audit_export.h"
#include "tests/router/audit_fixture.h"

namespace kedge::router {
namespace {

constexpr int kPatient = 60000;  // ms: machines with one core and twenty tests

class AuditLocksTest : public AuditFixture {
 protected:
  // Whether another process sees this one's lock on the database: the one a connection holds as long as it is open.
  bool is_locked(const std::string& path) const {
    const pid_t child = fork();
    if (child == 0) {
      const int fd = ::open(path.c_str(), O_RDWR);
      struct flock range {};
      range.l_type = F_WRLCK;
      range.l_whence = SEEK_SET;
      range.l_start = 0x40000002;  // SQLite's shared range
      range.l_len = 510;
      if (fd < 0 || fcntl(fd, F_GETLK, &range) != 0) _exit(2);
      _exit(range.l_type != F_UNLCK && range.l_pid == getppid() ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
  }
  static bool append_one(const std::string& path, int i) {
    const auto log = AuditLog::open(path, {.create = true, .timeout_ms = kPatient});
    return log.ok() && (*log)->append(record(i), artifacts(i)).ok();
  }
  // Children that each do `work`, all at once; how many said that it went well. `meanwhile` runs here.
  template <class Work>
  static int in_children(
      int n, const Work& work, const std::function<void()>& meanwhile = [] {}) {
    std::vector<pid_t> children;
    for (int i = 0; i < n; ++i) {
      const pid_t child = fork();
      if (child == 0) _exit(work(i) ? 0 : 1);
      children.push_back(child);
    }
    meanwhile();
    int good = 0;
    for (const pid_t child : children) {
      int status = 0;
      waitpid(child, &status, 0);
      good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return good;
  }
};

TEST_F(AuditLocksTest, NothingHereDropsTheLocks) {
  const auto log = open();
  ASSERT_TRUE(log->append(record(1), artifacts(1)).ok());
  ASSERT_TRUE(is_locked(path_)) << "the test looks at the wrong bytes";
  const std::pair<const char*, std::function<bool()>> deeds[] = {
      {"a second handle", [&] { return append_one(path_, 2); }},
      {"reading", [&] { return AuditLog::open(path_, {.read_only = true}).ok(); }},
      {"verifying", [&] { return verify_audit_log(path_, {}).ok(); }},
      {"verifying against itself", [&] { return !verify_audit_log(path_, {.against = path_}).ok(); }},
      {"verifying against its wal", [&] { return !verify_audit_log(path_, {.against = path_ + "-wal"}).ok(); }},
      {"exporting", [&] { return export_audit_log(path_, AuditFormat::kJsonl, true, 5000).ok(); }},
      {"a mirror that is the log", [&] { return !AuditLog::open(path_, {.mirror = path_}).ok(); }},
      {"another log", [&] { return append_one(folder_ + "/other.db", 1); }},
  };
  for (const auto& [name, deed] : deeds) {
    EXPECT_TRUE(deed()) << name;
    EXPECT_TRUE(is_locked(path_)) << name << " dropped the locks of this process";
  }
  EXPECT_TRUE(log->append(record(3), artifacts(3)).ok());
  expect_sound(3);
}

// What `kedge ask` does, in four processes at once and a fifth that verifies: each opens the log, appends and closes
// it.
TEST_F(AuditLocksTest, ProcessesOpenAndCloseOneLog) {
  constexpr int kProcesses = 4, kAsks = 6;
  make(1);
  const int good = in_children(kProcesses + 1, [&](int process) {
    for (int i = 0; i < kAsks; ++i) {
      if (process < kProcesses && !append_one(path_, process * kAsks + i)) return false;
      if (process == kProcesses) {
        const auto report = verify_audit_log(path_, {.timeout_ms = kPatient});
        if (!report.ok() || !report->ok()) return false;
      }
      usleep(2000);
    }
    return true;
  });
  EXPECT_EQ(good, kProcesses + 1);
  expect_sound(kProcesses * kAsks + 1);
  EXPECT_TRUE(append_one(path_, 99)) << "the next ask";
  expect_sound(kProcesses * kAsks + 2);
}

// Who is first makes the log; nobody finds half of one.
TEST_F(AuditLocksTest, ManyMakeTheSameLog) {
  for (int round = 0; round < 5; ++round) {
    path_ = folder_ + "/log-" + std::to_string(round);
    EXPECT_EQ(in_children(6, [&](int i) { return append_one(path_, i); }), 6);
    expect_sound(6);
  }
}

TEST_F(AuditLocksTest, TwoHandlesInOneProcess) {
  make(1);
  std::atomic<int> recorded{0};
  const auto in_two_threads = [&] {
    const auto one = open({.timeout_ms = kPatient});
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        const auto two = AuditLog::open(path_, {.timeout_ms = kPatient});
        for (int i = 0; i < 20; ++i) {
          recorded += one->append(record(i), artifacts(i)).ok();
          recorded += two.ok() && (*two)->append(record(i), artifacts(t)).ok();
          recorded += append_one(path_, i);  // one that comes and goes
        }
      });
    }
    for (auto& thread : threads) thread.join();
  };
  // Other processes come and go too: without our locks they would empty the write-ahead log under us.
  const int good = in_children(
      2,
      [&](int) {
        bool fine = true;
        for (int i = 0; i < 10; ++i) fine = append_one(path_, i) && fine;
        return fine;
      },
      in_two_threads);
  EXPECT_EQ(good, 2);
  EXPECT_EQ(recorded, 120);
  expect_sound(141);
}

// SQLite gives a child no locks on what its parent has open, so it gets errors; and it takes nothing away.
TEST_F(AuditLocksTest, AChildIsToldThatItHasNoLocks) {
  auto log = open();
  ASSERT_TRUE(log->append(record(1), artifacts(1)).ok());
  const int good = in_children(1, [&](int) {
    const auto appended = log->append(record(2), artifacts(2));
    const auto shown = log->show("last");
    const auto again = AuditLog::open(path_, {});
    const auto is_told = [](const auto& result) {
      return !result.ok() && result.error().message.find("forked") != std::string::npos;
    };
    log.reset();
    return is_told(appended) && is_told(shown) && is_told(again) && is_told(verify_audit_log(path_, {})) &&
           append_one(folder_ + "/its-own.db", 1);
  });
  EXPECT_EQ(good, 1);
  EXPECT_TRUE(is_locked(path_));
  EXPECT_TRUE(log->append(record(3), artifacts(3)).ok());
  expect_sound(2);
  log.reset();
  EXPECT_EQ(in_children(1, [&](int) { return append_one(path_, 4); }), 1)
      << "closed before the fork, it is a child's too";
  expect_sound(3);
}

}  // namespace
}  // namespace kedge::router
