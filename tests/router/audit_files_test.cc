// Whose the files of a log are, databases that only look like one, and heads that are kept in a second place.
#include <sys/stat.h>

#include "router/audit/audit_export.h"
#include "tests/router/audit_fixture.h"

namespace kedge::router {
namespace {

namespace fs = std::filesystem;

class AuditFilesTest : public AuditFixture {
 protected:
  static void expect_refused(const auto& result, const std::string& words) {
    ASSERT_FALSE(result.ok()) << words;
    EXPECT_NE(result.error().message.find(words), std::string::npos) << result.error().message;
  }
  unsigned mode(const std::string& path) const {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777u : 0;
  }
};

TEST_F(AuditFilesTest, FilesAreTheirOwnersAlone) {
  const auto log = open();
  ASSERT_TRUE(log->append(record(1), {}).ok());
  for (const char* end : {"", "-wal", "-shm", ".key"}) EXPECT_EQ(mode(path_ + end), 0600u) << end;
  EXPECT_EQ(mode(path_ + ".heads") & 022u, 0u) << "others may read it: it says nothing of what was asked";
}

TEST_F(AuditFilesTest, FilesThatOthersCanWriteAreRefused) {
  auto log = open();
  ASSERT_TRUE(log->append(record(1), {}).ok());
  for (const char* end : {"", "-wal", "-shm", ".key", ".heads"}) {
    for (const mode_t bad : {0666, 0620, 0602}) {
      ASSERT_EQ(chmod((path_ + end).c_str(), bad), 0) << end;
      char words[32];
      std::snprintf(words, sizeof words, "mode %03o", bad);
      expect_refused(AuditLog::open(path_, {}), words);
      expect_refused(AuditLog::open(path_, {.create = true}), path_ + end);
      expect_refused(AuditLog::open(path_, {.read_only = true}), words);
      expect_refused(export_audit_log(path_, AuditFormat::kJsonl, false, 1000), words);
      expect_problem("file", 0, words);
    }
    ASSERT_EQ(chmod((path_ + end).c_str(), 0600), 0);
  }
}

TEST_F(AuditFilesTest, AnEmptyFileOfOthersBecomesNoLog) {
  spill(path_, "");
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  expect_refused(AuditLog::open(path_, {.create = true}), "mode 666");
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  expect_refused(AuditLog::open(path_, {.create = true}), "others may read what would be recorded");
  EXPECT_EQ(fs::file_size(path_), 0u);
  EXPECT_FALSE(fs::exists(path_ + ".key"));
}

TEST_F(AuditFilesTest, SymbolicLinksAndPipesAreRefused) {
  make(1);
  const std::string other = folder_ + "/other.db";
  for (const char* end : {"", ".key", ".heads"}) {
    fs::rename(path_ + end, other);
    fs::create_symlink(other, path_ + end);
    expect_refused(AuditLog::open(path_, {}), "symbolic link");
    expect_refused(AuditLog::open(path_, {.read_only = true}), path_ + end);
    expect_problem("file", 0, "symbolic link");
    fs::remove(path_ + end);
    ASSERT_EQ(mkfifo((path_ + end).c_str(), 0600), 0);
    expect_refused(AuditLog::open(path_, {}), "not a regular file");
    fs::remove(path_ + end);
    fs::rename(other, path_ + end);
  }
  fs::remove(path_ + "-wal");
  fs::create_symlink("/dev/null", path_ + "-wal");
  expect_refused(AuditLog::open(path_, {}), "-wal: is a symbolic link");
  fs::remove(path_ + "-wal");
  fs::create_symlink(folder_ + "/nowhere.db", other);
  expect_refused(AuditLog::open(other, {.create = true}), "symbolic link");
  EXPECT_FALSE(fs::exists(folder_ + "/nowhere.db"));
  expect_sound(1);
}

TEST_F(AuditFilesTest, AFolderThatOthersCanWriteIsRefused) {
  make(1);
  for (const mode_t bad : {0777, 0730, 0703}) {
    ASSERT_EQ(chmod(folder_.c_str(), bad), 0);
    expect_refused(AuditLog::open(path_, {}), "others can put files into it");
    expect_refused(AuditLog::open(folder_ + "/new.db", {.create = true}), "others can put files into it");
  }
  EXPECT_FALSE(fs::exists(folder_ + "/new.db"));
  EXPECT_TRUE(AuditLog::open(path_, {.read_only = true}).ok());
  ASSERT_EQ(chmod(folder_.c_str(), 01777), 0);
  EXPECT_TRUE(AuditLog::open(path_, {}).ok()) << "in a sticky folder nobody replaces another's file";
}

TEST_F(AuditFilesTest, FilesOfAnotherUserAreNotWritten) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  make(1);
  ASSERT_EQ(chown((path_ + ".heads").c_str(), 65534, 65534), 0);
  expect_refused(AuditLog::open(path_, {}), "belongs to user 65534");
  EXPECT_TRUE(AuditLog::open(path_, {.read_only = true}).ok());
  ASSERT_EQ(chown((path_ + ".heads").c_str(), 0, 0), 0);
  ASSERT_EQ(chown(folder_.c_str(), 65534, 65534), 0);
  expect_refused(AuditLog::open(path_, {}), "the folder of the audit log belongs to user 65534");
}

// --- Databases that only look like a log ---------------------------------------------------------------------------

TEST_F(AuditFilesTest, AnEndlessViewIsASchemaDifference) {
  const std::string from = KEDGE_TEST_DATA "/cases/files/endless-view-log/a.db";
  for (const char* end : {"", ".key", ".heads"}) {
    spill(path_ + end, slurp(from + end));
    ASSERT_EQ(chmod((path_ + end).c_str(), 0600), 0);
  }
  expect_problem("schema", 0, "'artifacts' is not as it was created");
  for (const auto& p : verify().problems) EXPECT_EQ(p.where, "schema") << p.what;
  expect_refused(AuditLog::open(path_, {}), "'artifacts'");
  expect_refused(AuditLog::open(path_, {.read_only = true}), "'artifacts'");
  expect_refused(export_audit_log(path_, AuditFormat::kJsonl, true, 1000), "'artifacts'");
}

// The same in place of every table, and what else a schema can bring along.
TEST_F(AuditFilesTest, NothingOfAForeignSchemaIsRun) {
  make(2);
  const std::string good = slurp(path_);
  const std::string endless = " AS WITH RECURSIVE q(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM q) SELECT ";
  const std::string changes[] = {
      "DROP TABLE meta; CREATE VIEW meta" + endless + "x AS key, x AS value FROM q",
      "DROP TABLE records; CREATE VIEW records" + endless +
          "x AS seq, x AS id, x AS created, x AS json, x AS prev, x AS hash FROM q",
      "DROP TABLE heads; CREATE VIEW heads" + endless +
          "x AS seq, x AS first, x AS hash, x AS key_id, x AS signature, x AS created FROM q",
      "CREATE INDEX mine ON records(created)",
      "CREATE TABLE mine(x)",
      "ALTER TABLE heads RENAME COLUMN created TO made"};
  for (const std::string& sql : changes) {
    for (const char* end : {"-wal", "-shm"}) fs::remove(path_ + end);
    spill(path_, good);
    ASSERT_EQ(sqlite(path_, sql), "") << sql;
    const auto report = verify();
    ASSERT_FALSE(report.problems.empty()) << sql;
    for (const auto& p : report.problems) EXPECT_EQ(p.where, "schema") << sql << ": " << p.what;
    expect_refused(AuditLog::open(path_, {.read_only = true}), "the schema is not that of an audit log");
    expect_refused(AuditLog::open(path_, {}), "the schema is not that of an audit log");
  }
}

// --- Heads in a second place ---------------------------------------------------------------------------------------

TEST_F(AuditFilesTest, RollbackOfDatabaseAndHeadsIsFoundByTheMirror) {
  const std::string mirror = folder_ + "/elsewhere.heads";
  const AuditOptions options{.create = true, .mirror = mirror};
  for (int i = 1; i <= 2; ++i) ASSERT_TRUE(open(options)->append(record(i), artifacts(i)).ok());
  const std::string old_db = slurp(path_), old_heads = slurp(path_ + ".heads");
  for (int i = 3; i <= 4; ++i) ASSERT_TRUE(open(options)->append(record(i), artifacts(i)).ok());
  EXPECT_EQ(slurp(mirror), slurp(path_ + ".heads"));
  const auto sound = verify_audit_log(path_, {.against = mirror});
  ASSERT_TRUE(sound.ok() && sound->ok()) << text(*sound);

  spill(path_, old_db);
  spill(path_ + ".heads", old_heads);
  EXPECT_TRUE(verify().ok()) << "database and heads agree: without the mirror nobody sees it";
  const auto report = verify_audit_log(path_, {.against = mirror});
  ASSERT_TRUE(report.ok()) << report.error().message;
  ASSERT_EQ(report->problems.size(), 2u) << text(*report);
  EXPECT_EQ(report->problems[0].where, "against");
  EXPECT_EQ(report->problems[0].seq, 3);
  EXPECT_NE(report->problems[0].what.find("put back to an older state"), std::string::npos);
  expect_refused(AuditLog::open(path_, options), "put back to an older state");
}

TEST_F(AuditFilesTest, AMirrorCatchesUp) {
  const std::string mirror = folder_ + "/elsewhere.heads";
  make(3);
  ASSERT_TRUE(open({.mirror = mirror})->append(record(4), {}).ok());
  EXPECT_EQ(slurp(mirror), slurp(path_ + ".heads"));
  const std::string all = slurp(mirror);
  spill(mirror, all.substr(0, all.size() - 20));  // a crash in the middle of a line
  ASSERT_TRUE(open({.mirror = mirror})->append(record(5), {}).ok());
  EXPECT_EQ(slurp(mirror), slurp(path_ + ".heads"));
  // That of another log stays as it is.
  const std::string other = folder_ + "/other.db";
  expect_refused(AuditLog::open(other, {.create = true, .mirror = mirror}), "another log");
  EXPECT_EQ(slurp(mirror), slurp(path_ + ".heads"));
  for (const char* own : {"", ".heads", ".key"})
    expect_refused(AuditLog::open(path_, {.mirror = path_ + own}), "file of the log itself");
}

TEST_F(AuditFilesTest, ComparesWithLinesKeptElsewhere) {
  make(3);
  const std::string kept = folder_ + "/kept.txt";
  const std::string heads = slurp(path_ + ".heads");
  const auto against = [&](const std::string& lines) {
    spill(kept, lines);
    return *verify_audit_log(path_, {.against = kept});
  };
  const std::string second = heads.substr(heads.find("\n2 ") + 1, heads.find("\n3 ") - heads.find("\n2 "));
  EXPECT_TRUE(against(second).ok()) << text(against(second));
  std::string bad = second;
  bad[bad.size() - 3] = bad[bad.size() - 3] == '0' ? '1' : '0';
  EXPECT_NE(text(against(bad)).find("against 2"), std::string::npos) << text(against(bad));
  EXPECT_NE(text(against("")).find("holds no heads"), std::string::npos);
  EXPECT_NE(text(against("hello\n")).find("is not a head"), std::string::npos);
  EXPECT_NE(text(against("kedge-audit-heads-v1 00\n" + second)).find("another log"), std::string::npos);
  expect_refused(verify_audit_log(path_, {.against = folder_ + "/none"}), "none");
}

TEST_F(AuditFilesTest, TheQuestionIsListedAndShown) {
  const auto log = open();
  const std::string request =
      R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"first"},)"
      R"({"role":"user","content":[{"type":"text","text":"ünd "},{"type":"text","text":"日本?"}]}]})";
  const std::vector<AuditArtifact> with = {{"request", request}};
  ASSERT_TRUE(log->append(record(1), with).ok());
  ASSERT_TRUE(log->append(record(2), {}).ok());
  const auto list = log->list({});
  ASSERT_TRUE(list.ok()) << list.error().message;
  EXPECT_TRUE((*list)[0]["question"].is_null());
  EXPECT_EQ((*list)[1]["question"], "ünd 日本?");
  const auto shown = log->show("1");
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ((*shown)["question"], "ünd 日本?");
  EXPECT_EQ((*shown)["hash_checked"], true);
}

}  // namespace
}  // namespace kedge::router
