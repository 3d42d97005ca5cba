// The audit log in use: what it takes, gives back and refuses; several threads and processes; disks that are full.
#include "router/audit/audit_log.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <set>
#include <thread>

#include "kernels/base/hex.h"
#include "kernels/base/sha256.h"
#include "router/audit/canonical_json.h"
#include "router/audit/digest.h"
#include "tests/router/audit_fixture.h"

namespace kedge::router {
namespace {

using AuditLogTest = AuditFixture;

void expect_error(const auto& result, ErrorCode code, const std::string& words) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_NE(result.error().message.find(words), std::string::npos) << result.error().message;
}

TEST_F(AuditLogTest, GivesBackWhatItTook) {
  const auto log = open();
  const auto receipt = log->append({{"id", "answer-1"}, {"model", "m"}, {"kedge", {{"policy", "p"}}}}, artifacts(7));
  ASSERT_TRUE(receipt.ok()) << receipt.error().message;
  EXPECT_EQ(receipt->id, "answer-1");
  EXPECT_EQ(receipt->seq, 1);
  EXPECT_TRUE(receipt->anchored);
  for (const char* name : {"answer-1", "1", "last"}) {
    const auto shown = log->show(name);
    ASSERT_TRUE(shown.ok()) << shown.error().message;
    EXPECT_EQ((*shown)["hash"], receipt->hash);
    EXPECT_EQ((*shown)["record"]["kedge"]["policy"], "p");
    ASSERT_EQ((*shown)["artifacts"].size(), 3u);
    const auto content = log->artifact((*shown)["artifacts"][1]["sha256"].get<std::string>());
    ASSERT_TRUE(content.ok()) << content.error().message;
    EXPECT_EQ(content->kind, "response");
    EXPECT_EQ(content->bytes, "answer \n7");
  }
  expect_sound(1);
}

// The chain from its definition, without the code that makes it.
TEST_F(AuditLogTest, HashIsThatOfPrevAndCanonicalText) {
  const auto log = open();
  const std::string genesis = log->identity().genesis();
  ASSERT_TRUE(log->append(record(1), {}).ok());
  ASSERT_TRUE(log->append(record(2), {}).ok());
  std::string prev = genesis;
  for (const char* seq : {"1", "2"}) {
    const auto shown = *log->show(seq);
    EXPECT_EQ(shown["prev"], hex(prev));
    prev = sha256(prev + *canonical_json(shown["record"]));
    EXPECT_EQ(shown["hash"], hex(prev));
  }
  const auto& identity = log->identity();
  EXPECT_EQ(genesis, sha256("kedge-audit-genesis-v1\n" + *canonical_json(identity.genesis_json())));
}

TEST_F(AuditLogTest, MakesIdsInTheOrderOfTime) {
  const auto log = open();
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    const auto receipt = log->append(Json::object(), {});
    ASSERT_TRUE(receipt.ok());
    EXPECT_EQ(receipt->id.size(), 36u);
    EXPECT_EQ(receipt->id[14], '7');
    EXPECT_TRUE(ids.insert(receipt->id).second);
  }
  EXPECT_LT(audit::uuid7(1700000000000).substr(0, 13), audit::uuid7(1700000000001).substr(0, 13));
  EXPECT_EQ(audit::iso_time(1700000000123), "2023-11-14T22:13:20.123Z");
}

TEST_F(AuditLogTest, RefusesRecordsItCannotKeep) {
  const auto log = open();
  ASSERT_TRUE(log->append({{"id", "a"}}, {}).ok());
  const auto refused = [&](const Json& r, const char* words) {
    expect_error(log->append(r, {}), ErrorCode::kInvalidArgument, words);
  };
  refused(Json::array(), "object");
  refused({{"id", "a"}}, "'a'");
  refused({{"id", 7}}, "no string");
  refused({{"id", "17"}}, "'17'");
  refused({{"id", "last"}}, "'last'");
  refused({{"id", ""}}, "0 bytes");
  refused({{"id", std::string(129, 'x')}}, "129");
  refused({{"kedge", 1}}, "kedge");
  refused({{"kedge", {{"seq", 1}}}}, "kedge.seq");
  refused({{"x", {{"y", "\xFF"}}}}, "/x/y");
  refused({{"x", int64_t{1} << 60}}, "/x");
  expect_error(log->append({{"x", std::string(17 << 20, 'x')}}, {}), ErrorCode::kCapacity, "16777216");
  const AuditArtifact nameless{"", "x"};
  expect_error(log->append(Json::object(), {&nameless, 1}), ErrorCode::kInvalidArgument, "kind");
  EXPECT_EQ(*log->size(), 1);
  // The log goes on after refusals, and a refused record leaves no artifact.
  const auto some = artifacts(1);
  refused({{"id", "a"}}, "'a'");
  expect_error(log->append({{"id", "b"}, {"x", "\xFF"}}, some), ErrorCode::kInvalidArgument, "/x");
  ASSERT_TRUE(log->append({{"id", "b"}}, {}).ok());
  expect_sound(2);
  EXPECT_EQ(verify().artifacts, 0);
}

TEST_F(AuditLogTest, EqualContentsAreStoredOnce) {
  make(5);
  EXPECT_EQ(verify().artifacts, 11);  // 5 questions, 5 answers, 1 document
}

TEST_F(AuditLogTest, Lists) {
  make(9);
  const auto log = open({.read_only = true});
  const auto all = log->list({});
  ASSERT_TRUE(all.ok()) << all.error().message;
  ASSERT_EQ(all->size(), 9u);
  EXPECT_EQ((*all)[0]["seq"], 9);
  EXPECT_EQ((*all)[0]["artifacts"], 3);
  EXPECT_EQ(log->list({.limit = 2})->size(), 2u);
  EXPECT_EQ(log->list({.model = "large"})->size(), 5u);
  EXPECT_EQ(log->list({.outcome = "abstain"})->size(), 3u);
  EXPECT_EQ(log->list({.model = "large", .outcome = "abstain"})->size(), 2u);
  EXPECT_EQ(log->list({.since = "2020-01-01"})->size(), 9u);
  EXPECT_EQ(log->list({.since = "9999-01-01T00:00"})->size(), 0u);
  expect_error(log->list({.limit = 0}), ErrorCode::kInvalidArgument, "limit is 0");
  expect_error(log->list({.since = "yesterday"}), ErrorCode::kInvalidArgument, "yesterday");
  expect_error(log->show("10"), ErrorCode::kNotFound, "'10'");
  expect_error(log->show("nobody"), ErrorCode::kNotFound, "nobody");
  expect_error(log->artifact("00"), ErrorCode::kInvalidArgument, "64");
  expect_error(log->artifact(std::string(64, '0')), ErrorCode::kNotFound, "000");
  expect_error(log->append(record(1), {}), ErrorCode::kInvalidArgument, "read-only");
}

TEST_F(AuditLogTest, ReadingMakesNoFile) {
  expect_error(AuditLog::open(path_, {}), ErrorCode::kNotFound, path_);
  expect_error(AuditLog::open(path_, {.read_only = true}), ErrorCode::kNotFound, path_);
  expect_error(verify_audit_log(path_, {}), ErrorCode::kNotFound, path_);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(AuditLogTest, RefusesOtherFiles) {
  spill(path_, "");
  expect_error(AuditLog::open(path_, {}), ErrorCode::kCorrupt, "empty");
  expect_error(AuditLog::open(path_, {.read_only = true}), ErrorCode::kCorrupt, "empty");
  spill(path_, std::string(5000, 'x'));
  expect_error(AuditLog::open(path_, {.create = true}), ErrorCode::kCorrupt, "not an SQLite database");
  EXPECT_EQ(slurp(path_), std::string(5000, 'x'));
  std::filesystem::remove(path_);
  ASSERT_EQ(sqlite(path_, "CREATE TABLE mine(x)"), "");
  const std::string before = slurp(path_);
  expect_error(AuditLog::open(path_, {.create = true}), ErrorCode::kCorrupt, "another application");
  EXPECT_EQ(slurp(path_), before);
}

TEST_F(AuditLogTest, RefusesANewerSchema) {
  make(1);
  ASSERT_EQ(sqlite(path_, "PRAGMA user_version = 2"), "");
  expect_error(AuditLog::open(path_, {}), ErrorCode::kUnsupported, "2");
}

TEST_F(AuditLogTest, KeyIsForItsOwnerOnly) {
  make(1);
  struct stat status {};
  ASSERT_EQ(stat((path_ + ".key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(chmod((path_ + ".key").c_str(), 0640), 0);
  expect_error(AuditLog::open(path_, {}), ErrorCode::kIo, "640");
  ASSERT_EQ(chmod((path_ + ".key").c_str(), 0600), 0);
  std::filesystem::rename(path_ + ".key", path_ + ".away");
  expect_error(AuditLog::open(path_, {}), ErrorCode::kNotFound, ".key");
  EXPECT_FALSE(std::filesystem::exists(path_ + ".key")) << "a log that is there gets no new key";
}

TEST_F(AuditLogTest, TriggersRefuseChanges) {
  make(2);
  for (const char* sql :
       {"UPDATE records SET json = '{}'", "DELETE FROM records", "UPDATE artifacts SET kind = 'x'",
        "DELETE FROM artifacts", "UPDATE heads SET first = 1", "DELETE FROM heads", "UPDATE meta SET value = x'00'",
        "DELETE FROM meta", "INSERT INTO meta VALUES('x', x'00')",
        "INSERT OR REPLACE INTO records SELECT 1, 'x', created, json, prev, hash FROM records WHERE seq = 2",
        "INSERT OR REPLACE INTO records SELECT 3, id, created, json, prev, hash FROM records WHERE seq = 2",
        "INSERT OR REPLACE INTO artifacts SELECT sha256, salt, 'x', bytes FROM artifacts LIMIT 1",
        "INSERT OR REPLACE INTO heads SELECT 2, 2, hash, key_id, signature, 'x' FROM heads WHERE seq = 2"}) {
    EXPECT_NE(sqlite(path_, sql), "") << sql;
  }
  expect_sound(2);
}

TEST_F(AuditLogTest, ThreadsShareTheLog) {
  const auto log = open();
  std::vector<std::thread> threads;
  std::atomic<int> recorded{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        const auto receipt = log->append({{"id", "t" + std::to_string(t) + "-" + std::to_string(i)}}, artifacts(i));
        if (receipt.ok() && log->show(receipt->id).ok()) ++recorded;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(recorded, 320);
  expect_sound(320);
  EXPECT_LT(verify().heads, 320) << "no two appends shared a commit";
}

// One bad record of a shared commit is refused alone.
TEST_F(AuditLogTest, AnIdIsTakenOnceAmongThreads) {
  const auto log = open();
  std::vector<std::thread> threads;
  std::atomic<int> recorded{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) recorded += log->append({{"id", "r" + std::to_string(i)}}, {}).ok();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(recorded, 10);
  expect_sound(10);
}

TEST_F(AuditLogTest, ProcessesTakeTurns) {
  std::vector<pid_t> children;
  for (int p = 0; p < 3; ++p) {
    const pid_t child = fork();
    if (child == 0) {  // each of them may be the one that creates the log
      const auto log = AuditLog::open(path_, {.create = true, .timeout_ms = 20000});
      bool good = log.ok();
      for (int i = 0; good && i < 50; ++i) good = (*log)->append(record(i), artifacts(p)).ok();
      _exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  expect_sound(150);
}

TEST_F(AuditLogTest, AProcessThatHoldsTheDatabaseIsAnError) {
  const auto log = open({.create = true, .timeout_ms = 50});
  ::sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  expect_error(log->append(record(1), {}), ErrorCode::kIo, "another process holds the database");
  sqlite3_close(other);
  ASSERT_TRUE(log->append(record(1), {}).ok());
  expect_sound(1);
}

// The file may grow to some size and no further: every append that failed left nothing, every other is there.
TEST_F(AuditLogTest, FullDisk) {
  make(1);
  int result[2];
  ASSERT_EQ(pipe(result), 0);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const auto log = AuditLog::open(path_, {});
    const rlimit limit{400000, 400000};
    setrlimit(RLIMIT_FSIZE, &limit);
    int counts[2] = {0, 0};
    for (int i = 0; i < 60; ++i) {
      const std::vector<AuditArtifact> large = {
          {"evidence", std::string(20000, static_cast<char>('a' + i % 26)) + std::to_string(i)}};
      ++counts[(*log)->append(record(i), large).ok() ? 0 : 1];
    }
    _exit(write(result[1], counts, sizeof counts) == sizeof counts ? 0 : 1);
  }
  int counts[2] = {0, 0};
  ASSERT_EQ(read(result[0], counts, sizeof counts), static_cast<ssize_t>(sizeof counts));
  close(result[0]);
  close(result[1]);
  waitpid(child, nullptr, 0);
  EXPECT_GT(counts[0], 0);
  EXPECT_GT(counts[1], 0) << "the disk was never full";
  expect_sound(1 + counts[0]);
  ASSERT_TRUE(open({})->append(record(1), {}).ok()) << "the log goes on when there is room again";
  expect_sound(2 + counts[0]);
}

TEST_F(AuditLogTest, AnchorBehindByACrashIsRepaired) {
  make(3);
  const std::string anchor = slurp(path_ + ".heads");
  const size_t last_line = anchor.rfind('\n', anchor.size() - 2) + 1;
  for (const size_t size : {last_line, last_line + 1, last_line + 40, anchor.size() - 1}) {
    spill(path_ + ".heads", anchor.substr(0, size));
    expect_sound(3);
    EXPECT_EQ(verify().notes.size(), 1u);
    ASSERT_NE(open({}), nullptr);
    EXPECT_EQ(slurp(path_ + ".heads"), anchor);
  }
  EXPECT_EQ(verify().notes.size(), 0u);
}

TEST_F(AuditLogTest, ADatabaseBehindItsAnchorIsRefused) {
  make(2);
  const std::string old = slurp(path_);
  make(2);
  expect_sound(4);
  spill(path_, old);
  expect_error(AuditLog::open(path_, {}), ErrorCode::kCorrupt, "behind its anchor");
  expect_problem("anchor", 4, "the database does not have it");
  std::filesystem::remove(path_);
  expect_error(AuditLog::open(path_, {.create = true}), ErrorCode::kCorrupt, "the database is lost");
}

// Evidence on a medium nobody can write to: SQLite alone would want to make files beside it.
TEST_F(AuditLogTest, ReadOnlyFolder) {
  make(2);
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal")) << "a closed log is one file";
  ASSERT_EQ(chmod(path_.c_str(), 0444), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0555), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setuid(65534) != 0) _exit(9);  // root may write everywhere
    const auto log = AuditLog::open(path_, {.read_only = true});
    if (!log.ok() || (*log)->list({})->size() != 2) _exit(1);
    const auto report = verify_audit_log(path_, {.public_key = hex((*log)->identity().public_key)});
    if (!report.ok() || !report->ok()) _exit(2);
    const auto refused = AuditLog::open(path_, {});
    _exit(!refused.ok() && refused.error().code == ErrorCode::kIo ? 0 : 3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0700), 0);
}

}  // namespace
}  // namespace kedge::router
