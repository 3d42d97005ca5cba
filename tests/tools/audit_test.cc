// kedge audit on files that are no log. What it does with a log is in tests/router, where one can be written.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools_test {
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

TEST(Audit, WrongUse) {
  EXPECT_EQ(run_command({"audit"}).exit_code, 2);
  EXPECT_EQ(run_command({"audit", "list", "-n", "0"}).exit_code, 2);
  EXPECT_EQ(run_command({"audit", "export", "--format", "xml"}).exit_code, 2);
}

}  // namespace
}  // namespace kedge::tools_test
