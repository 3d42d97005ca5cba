// kedge check, as a user runs it.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

TEST(Check, ExitCodeIsTheVerdict) {
  const Outcome pass = run_command({"check", "--question", "What is 6 + 5?", "--answer", "11"});
  EXPECT_EQ(pass.exit_code, 0) << pass.err;
  EXPECT_EQ(pass.out.rfind("pass\n", 0), 0u) << pass.out;
  const Outcome fail = run_command({"check", "--question", "What is 6 + 5?", "--answer", "12", "--json"});
  EXPECT_EQ(fail.exit_code, 1);
  EXPECT_EQ(fail.json()["verdict"], "fail");
  EXPECT_EQ(fail.json()["checks"][0]["name"], "arithmetic");
  EXPECT_EQ(fail.err, "");
  const Outcome unchecked = run_command({"check", "--answer", "hello"});
  EXPECT_EQ(unchecked.exit_code, 3);
  EXPECT_EQ(unchecked.out, "unchecked\n");
}

TEST(Check, NumbersInOtherSpellings) {
  const auto verdict = [](const std::string& question, const std::string& answer) {
    return run_command({"check", "--question", question, "--answer=" + answer, "--json"})
        .json()["verdict"]
        .get<std::string>();
  };
  EXPECT_EQ(verdict("What is 7 - 10?", "minus 3"), "pass");
  EXPECT_EQ(verdict("What is 7 - 10?", "\u22123"), "pass");
  EXPECT_EQ(verdict("What is 7 - 10?", "3"), "fail");
  EXPECT_EQ(verdict("What is 4081 - 2?", "4079 2"), "fail");
  for (const char* answer : {"17", "1"}) EXPECT_EQ(verdict("What is 0x10 + 1?", answer), "unchecked");
  EXPECT_EQ(verdict("What is 3 + 5!?", "8"), "unchecked");
  EXPECT_EQ(verdict("Reverse the word \"stressed\"", "desserts"), "pass");
  EXPECT_EQ(verdict("Sort: pear, apple", "pear, apple"), "fail");
}

TEST(Check, SchemaPatternAndEvidence) {
  const std::string schema = write_scratch("schema.json", R"({"type": "object", "required": ["year"]})");
  EXPECT_EQ(run_command({"check", "--answer", "-", "--schema", schema}, "{\"year\": 1933}\n").exit_code, 0);
  const Outcome wrong = run_command({"check", "--answer", "{}", "--schema", schema});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.out.find("year"), std::string::npos) << wrong.out;
  EXPECT_EQ(run_command({"check", "--answer", "-", "--pattern", "\\d+"}, "1933\n").exit_code, 0);
  const std::string evidence =
      write_scratch("evidence.jsonl", "{\"id\": \"K-1\", \"text\": \"Born in 1933, they say.\"}\n\n");
  const Outcome cited =
      run_command({"check", "--answer", "1933<|ref|>[K-1] \"Born in 1933, they say.\"", "--evidence", evidence});
  EXPECT_EQ(cited.exit_code, 0) << cited.out << cited.err;
  EXPECT_NE(cited.out.find("[K-1]"), std::string::npos) << cited.out;
}

TEST(Check, WhatCannotBeCheckedIsNoVerdict) {
  const std::string bad = write_scratch("bad.jsonl", "{\"id\": \"a\", \"text\": \"\"}\n{\n");
  const std::string deep = write_scratch("deep.json", std::string(100000, '['));
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--schema", "/nonexistent/s.json"}, "/nonexistent/s.json"},
      {{"--schema", deep}, "deeper"},
      {{"--schema", write_scratch("unknown.json", R"({"minimun": 1})")}, "minimun"},
      {{"--pattern", "("}, "byte 1"},
      {{"--pattern", "\xff"}, "UTF-8"},
      {{"--evidence", bad}, "line 2"}};
  for (const auto& [flags, word] : cases) {
    std::vector<std::string> args = {"check", "--answer", "x"};
    args.insert(args.end(), flags.begin(), flags.end());
    const Outcome o = run_command(args);
    EXPECT_EQ(o.exit_code, 2) << o.out;
    EXPECT_EQ(o.out, "");
    EXPECT_NE(o.err.find(word), std::string::npos) << o.err;
  }
  EXPECT_EQ(run_command({"check"}).exit_code, 2);
}

}  // namespace
}  // namespace kedge::tools
