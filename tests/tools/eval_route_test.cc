// kedge eval route and kedge calibrate on a few rows of the committed questions.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

const std::string kData = std::string(KEDGE_TEST_DATA) + "/eval/route/";

TEST(EvalRoute, FiguresOfEveryTask) {
  const Outcome o = run_command({"eval", "route", "--data", kData + "test", "--limit", "10", "--bootstrap", "20",
                                 "--json", "--plot", scratch("route.svg")});
  ASSERT_EQ(o.exit_code, 0) << o.err;
  const auto json = o.json();
  ASSERT_TRUE(json.is_object()) << o.out;
  for (const char* task : {"facts", "arithmetic", "openbook", "chat", "verifier"}) {
    const auto& f = json["tasks"][task];
    EXPECT_EQ(f["n"], 10) << task;
    for (const char* key : {"fast", "deep", "routed", "escalated", "abstained"}) {
      ASSERT_TRUE(f[key].is_number()) << task << " " << key;
      EXPECT_GE(f[key].get<double>(), 0.0) << task << " " << key;
      EXPECT_LE(f[key].get<double>(), 1.0) << task << " " << key;
    }
    for (const char* who : {"fast", "deep"}) EXPECT_GT(f["cpu_s"][who].get<double>(), 0.0) << task;
    EXPECT_GE(f["cpu_s"]["routed"].get<double>(), 0.0) << task << ": what is worked out costs nothing";
  }
  EXPECT_EQ(json["all"]["n"], 50);
  EXPECT_GE(json["all"]["routed"].get<double>(), 0.7) << "the calibrators of the embedded pool are used";
  EXPECT_GE(json["tasks"]["facts"]["grounded"].get<double>(), 0.8);
  EXPECT_GE(json["unanswerable"]["declined"].get<double>(), 0.8);
  EXPECT_NE(slurp(scratch("route.svg")).find("the router, measured"), std::string::npos);
}

// Only the given answers of other questions count: those of asked.jsonl, of a file with documents beside it, and the
// folder's own ones in other words.
TEST(EvalRoute, QuestionsAsTyped) {
  std::filesystem::create_directories(scratch("typed/docs"));
  write_scratch("typed/docs/garden.md", "# Garden\n\nThe garden opens at 7:30 in the morning.\n");
  write_scratch("typed/questions.jsonl",
                "{\"question\": \"When does the garden open?\", \"answer\": \"7:30\", \"kind\": \"doc\"}\n"
                "{\"question\": \"asdkjh qwlekj\", \"right\": null}\n");
  const Outcome o = run_command({"eval", "route", "--data", kData + "test", "--limit", "2", "--bootstrap", "0",
                                 "--asked", scratch("typed/questions.jsonl"), "--reword", "lower,bare", "--json"});
  ASSERT_EQ(o.exit_code, 0) << o.err;
  const auto asked = o.json()["asked"];
  EXPECT_EQ(asked["asked"]["n"], 100);
  EXPECT_EQ(asked["typed/questions"]["n"], 2);
  EXPECT_EQ(asked["typed/questions"]["kinds"]["doc"]["n"], 1);
  EXPECT_EQ(asked["reworded: bare"]["n"], 2) << "two sums";
  EXPECT_GT(asked["reworded: lower"]["n"], 4);
  const Outcome unknown = run_command({"eval", "route", "--data", kData + "test", "--reword", "rot13"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("there is no 'rot13'"), std::string::npos) << unknown.err;
}

// Answers and decisions are the same however many questions are asked at once; only times differ.
TEST(EvalRoute, JobsChangeNothing) {
  const auto run = [](const char* jobs) {
    auto json = run_command({"eval", "route", "--data", kData + "test", "--limit", "6", "--bootstrap", "0", "--json",
                             "-j", jobs})
                    .json();
    for (const char* key : {"fast", "deep", "routed", "escalated", "abstained", "auroc", "accept_error"}) {
      EXPECT_TRUE(json["all"].contains(key)) << key;
    }
    return json;
  };
  const auto one = run("1");
  const auto three = run("3");
  for (const char* key :
       {"fast", "deep", "routed", "escalated", "abstained", "grounded", "auroc", "ece", "accept_error"}) {
    EXPECT_EQ(one["all"][key], three["all"][key]) << key;
  }
}

TEST(EvalRoute, CalibratorsOfTheEmbeddedPoolAreForItsModels) {
  const Outcome o = run_command({"ask", "What did Ursula Arnstow do for a living?", "--no-audit", "--json"});
  ASSERT_TRUE(o.exit_code == 0 || o.exit_code == 3) << o.err;
  for (const auto& a : o.json()["attempts"]) EXPECT_TRUE(a["calibrator_id"].is_string()) << a["model"];
}

TEST(EvalRoute, WrongFoldersAreNamed) {
  const Outcome nothing = run_command({"eval", "route", "--data", scratch("empty")});
  EXPECT_EQ(nothing.exit_code, 1);
  EXPECT_NE(nothing.err.find("has none of facts"), std::string::npos) << nothing.err;
  std::filesystem::create_directories(scratch("bad"));
  write_scratch("bad/facts.jsonl", "{\"id\": \"x\", \"answer\": \"y\"}\n");
  const Outcome bad = run_command({"eval", "route", "--data", scratch("bad")});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_NE(bad.err.find("facts.jsonl:1"), std::string::npos) << bad.err;
}

TEST(Calibrate, TooFewRowsMakeNoCalibrator) {
  const Outcome o = run_command({"calibrate", "--data", kData + "test", "--limit", "3", "-o", scratch("few")});
  EXPECT_EQ(o.exit_code, 1);
  EXPECT_NE(o.err.find("too few rows"), std::string::npos) << o.err;
}

}  // namespace
}  // namespace kedge::tools
