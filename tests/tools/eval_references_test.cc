// The detector on real text: floors under what `kedge eval references` measures on the pages of tests/data/references.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

TEST(EvalReferences, RealTextOfTenKinds) {
  const Outcome o = run_command({"eval", "references", "--data", KEDGE_TEST_DATA "/references", "--json"});
  ASSERT_EQ(0, o.exit_code) << o.err;
  const nlohmann::json json = o.json();
  EXPECT_EQ(50, json["pages"].get<int>());
  EXPECT_EQ(10U, json["kinds"].size());
  for (const auto& [kind, score] : json["kinds"].items()) {
    EXPECT_GE(score["recall"].get<double>(), 0.85) << kind;
    EXPECT_GE(score["precision"].get<double>(), 0.9) << kind;
  }
  EXPECT_GE(json["all"]["labels"].get<int>(), 1200);
  EXPECT_GE(json["all"]["recall"].get<double>(), 0.95);
  EXPECT_GE(json["all"]["precision"].get<double>(), 0.95);
  EXPECT_GE(json["all"]["exact"].get<double>(), 0.9);
  EXPECT_GE(json["all"]["strong"].get<double>(), 0.18);
  EXPECT_GE(json["held_out"]["labels"].get<int>(), 200);
  EXPECT_GE(json["held_out"]["recall"].get<double>(), 0.9);
  EXPECT_GE(json["held_out"]["precision"].get<double>(), 0.95);
}

TEST(EvalReferences, NamesWhatIsMissedAndWrong) {
  std::filesystem::create_directories(scratch("pages"));
  write_scratch("pages/mail-1.txt", "Look at gzip(1) and think of blue.\n");
  write_scratch("pages/mail-1.refs", "30 34 function 'blue'\n");  // "think of [blue]": no detector finds it
  const Outcome o = run_command({"eval", "references", "--data", scratch("pages"), "--misses"});
  ASSERT_EQ(0, o.exit_code) << o.err;
  EXPECT_NE(std::string::npos, o.out.find("missed mail-1 function")) << o.out;
  EXPECT_NE(std::string::npos, o.out.find("wrong mail-1 manual \"gzip(1)\"")) << o.out;
}

TEST(EvalReferences, BadLabelsAreNamed) {
  std::filesystem::create_directories(scratch("bad"));
  write_scratch("bad/mail-1.txt", "short\n");
  write_scratch("bad/mail-1.refs", "2 99 path 'x'\n");
  const Outcome o = run_command({"eval", "references", "--data", scratch("bad")});
  EXPECT_EQ(1, o.exit_code);
  EXPECT_NE(std::string::npos, o.err.find("mail-1.refs:1: the range")) << o.err;
  EXPECT_EQ(1, run_command({"eval", "references", "--data", scratch("nowhere")}).exit_code);
}

}  // namespace
}  // namespace kedge::tools
