// What the tests of the audit log share: a log in a folder of its own, and SQLite without our rules.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "router/audit/audit_log.h"

namespace kedge::router {

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class AuditFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "kedge-audit-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/audit.db";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static Json record(int i) {
    return {{"model", i % 2 ? "large" : "small"}, {"outcome", i % 3 ? "commit" : "abstain"}, {"question", i}};
  }
  static std::vector<AuditArtifact> artifacts(int i) {
    return {{"conversation", "question " + std::to_string(i)},
            {"response", "answer \n" + std::to_string(i)},
            {"evidence", "the same document"}};
  }

  std::unique_ptr<AuditLog> open(AuditOptions options = {.create = true}) {
    auto log = AuditLog::open(path_, options);
    EXPECT_TRUE(log.ok()) << log.error().message;
    return log.ok() ? std::move(*log) : nullptr;
  }
  // A closed log of n records: everything is in the one file.
  void make(int n) {
    const auto log = open();
    for (int i = 1; i <= n; ++i) ASSERT_TRUE(log->append(record(i), artifacts(i)).ok());
  }

  VerifyReport verify(const std::string& public_key = "") {
    const auto report = verify_audit_log(path_, {.public_key = public_key});
    if (report.ok()) return *report;
    VerifyReport refused;
    refused.problems.push_back({"open", 0, report.error().message});
    return refused;
  }
  static std::string text(const VerifyReport& report) {
    std::string out;
    for (const auto& p : report.problems) out += p.where + " " + std::to_string(p.seq) + ": " + p.what + "\n";
    return out;
  }
  void expect_sound(int64_t records) {
    const auto report = verify();
    EXPECT_TRUE(report.ok()) << text(report);
    EXPECT_EQ(report.records, records);
  }
  // Some problem is of this place, record and wording.
  void expect_problem(const std::string& where, int64_t seq, const std::string& words) {
    const auto report = verify();
    for (const auto& p : report.problems) {
      if (p.where == where && p.seq == seq && p.what.find(words) != std::string::npos) return;
    }
    ADD_FAILURE() << "no problem '" << where << " " << seq << ": " << words << "' in:\n" << text(report);
  }

  // As somebody with the file and the program sqlite3 would.
  static std::string sqlite(const std::string& path, const std::string& sql) {
    ::sqlite3* db = nullptr;
    sqlite3_open(path.c_str(), &db);
    char* message = nullptr;
    sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &message);
    const std::string error = message == nullptr ? "" : message;
    sqlite3_free(message);
    sqlite3_close(db);
    return error;
  }
  // Changes the database behind the triggers' back and puts them there again.
  void tamper(const std::string& sql) {
    std::string drop, create;
    ::sqlite3* db = nullptr;
    sqlite3_open(path_.c_str(), &db);
    sqlite3_stmt* rows = nullptr;
    sqlite3_prepare_v2(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'", -1, &rows, nullptr);
    while (sqlite3_step(rows) == SQLITE_ROW) {
      drop += "DROP TRIGGER " + std::string(reinterpret_cast<const char*>(sqlite3_column_text(rows, 0))) + ";";
      create += std::string(reinterpret_cast<const char*>(sqlite3_column_text(rows, 1))) + ";";
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    ASSERT_FALSE(drop.empty());
    ASSERT_EQ(sqlite(path_, drop + sql + ";" + create), "");
  }

  std::string folder_, path_;
};

}  // namespace kedge::router
