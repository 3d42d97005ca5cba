// kedge audit on files that are no log. What it does with a log is in tests/router, where one can be written.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

TEST(Audit, MissingLogIsNeverMade) {
  const std::string db = scratch("no-such-audit.db");
  for (const char* command : {"list", "show", "verify", "export"}) {
    const Outcome o = run_command({"audit", command, "--db", db});
    EXPECT_EQ(o.exit_code, 1) << command;
    EXPECT_EQ(o.out, "");
    EXPECT_NE(o.err.find(db), std::string::npos) << o.err;
  }
  EXPECT_FALSE(std::filesystem::exists(db));
}

TEST(Audit, OtherFilesAreRefused) {
  const std::string db = write_scratch("text.db", std::string(4096, 'x'));
  const Outcome o = run_command({"audit", "verify", "--db", db});
  EXPECT_EQ(o.exit_code, 1);
  EXPECT_NE(o.err.find("not an SQLite database"), std::string::npos) << o.err;
}

// An answer of the embedded pool, recorded where nobody said where: what the log then shows.
TEST(Audit, KeepsAndShowsWhatWasAsked) {
  const std::string question = "What is 417 + 268? \u738b\u8005";
  const Outcome asked = run_command({"ask", question, "--draft"});
  ASSERT_TRUE(asked.exit_code == 0 || asked.exit_code == 3) << asked.err;
  const std::string db = scratch("kedge/audit.db");  // run_command sets XDG_STATE_HOME
  ASSERT_TRUE(std::filesystem::exists(db)) << asked.err;
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(scratch("kedge")).permissions(), perms::owner_all);
  EXPECT_EQ(std::filesystem::status(db).permissions(), perms::owner_read | perms::owner_write);
  EXPECT_NE(run_command({"audit", "list"}).out.find(question), std::string::npos);
  const Outcome shown = run_command({"audit", "show"});
  EXPECT_EQ(shown.out.find("record    1, "), 0u) << shown.out;
  EXPECT_NE(shown.out.find("\nquestion  " + question), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("checked, it is that of this record"), std::string::npos) << shown.out;
  EXPECT_EQ(shown.out.find('{'), std::string::npos) << "JSON is for --json: " << shown.out;
  EXPECT_EQ(run_command({"audit", "show", "--json"}).json()["question"], question);
  EXPECT_EQ(run_command({"audit", "verify"}).exit_code, 0);
  const std::string heads = scratch("elsewhere.heads");
  ASSERT_NE(run_command({"ask", "What is 2 + 2?", "--draft", "--audit-mirror", heads}).exit_code, 1);
  EXPECT_EQ(slurp(heads), slurp(db + ".heads"));
  EXPECT_EQ(run_command({"audit", "verify", "--against", heads}).exit_code, 0);
  EXPECT_EQ(run_command({"audit", "export", "-o", "-"}).out, run_command({"audit", "export"}).out);
}

TEST(Audit, APlaceThatCannotBeWrittenIsNamed) {
  const std::string file = write_scratch("no-folder", "");
  const Outcome o = run_command({"ask", "What is 2 + 2?"}, "", {{"XDG_STATE_HOME", file}});
  EXPECT_EQ(o.exit_code, 1);
  EXPECT_NE(o.err.find("no-folder/kedge"), std::string::npos) << o.err;
  EXPECT_NE(o.err.find("--no-audit"), std::string::npos) << o.err;
  const Outcome list = run_command({"audit", "list"}, "", {{"XDG_STATE_HOME", scratch("nothing")}});
  EXPECT_EQ(list.exit_code, 1);
  EXPECT_NE(list.err.find("nothing/kedge/audit.db"), std::string::npos) << list.err;
}

TEST(Audit, WrongUse) {
  EXPECT_EQ(run_command({"audit"}).exit_code, 2);
  EXPECT_EQ(run_command({"audit", "list", "-n", "0"}).exit_code, 2);
  EXPECT_EQ(run_command({"audit", "export", "--format", "xml"}).exit_code, 2);
}

}  // namespace
}  // namespace kedge::tools
