// kedge index, as a user runs it.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

const std::string kDocuments = std::string(KEDGE_TEST_DATA) + "/documents";

TEST(Index, BuildSearchInfo) {
  const std::string index = scratch("docs.kidx");
  const std::string file = kDocuments + "/harbour.txt";
  const Outcome built = run_command({"index", "build", "-o", index, file, kDocuments + "/market.html", "--json"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_EQ(built.json()["passages"], 3);
  EXPECT_EQ(built.json()["normalised"], true);

  const Outcome found = run_command({"index", "search", index, "Where does the pilot board?", "-k", "2", "--json"});
  ASSERT_EQ(found.exit_code, 0) << found.err;
  const auto hit = found.json()["hits"][0];
  EXPECT_EQ(hit["id"], "harbour-1");
  EXPECT_EQ(hit["source"], file);
  EXPECT_EQ(hit["bm25_rank"], 1);
  EXPECT_EQ(found.json()["sha256"], built.json()["sha256"]);

  const Outcome text = run_command({"index", "search", index, "herring", "--by", "bm25"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("market-2"), std::string::npos) << text.out;

  const Outcome info = run_command({"index", "info", index, "--json"});
  ASSERT_EQ(info.exit_code, 0) << info.err;
  EXPECT_EQ(info.json()["formats"]["html"], 1);
  EXPECT_EQ(info.json()["sha256"], built.json()["sha256"]);
  EXPECT_EQ(info.json()["model"], "scout-q8_0.gguf");
}

TEST(Index, SkipsBadFilesWhenAsked) {
  const std::string bad = write_scratch("bad.txt", "\xff");
  const std::string good = kDocuments + "/harbour.txt";
  const Outcome refused = run_command({"index", "build", "-o", scratch("bad.kidx"), bad, good});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("bad.txt"), std::string::npos) << refused.err;
  EXPECT_FALSE(std::filesystem::exists(scratch("bad.kidx")));
  const Outcome built = run_command({"index", "build", "-o", scratch("bad.kidx"), bad, good, "--skip-bad"});
  EXPECT_EQ(built.exit_code, 0) << built.err;
  EXPECT_NE(built.out.find("left out: " + bad), std::string::npos) << built.out;
}

TEST(Index, AnotherModelIsRefused) {
  const std::string index = scratch("scout.kidx");
  ASSERT_EQ(run_command({"index", "build", "-o", index, kDocuments + "/harbour.txt"}).exit_code, 0);
  const Outcome other = run_command({"index", "search", index, "moles", "-m", tiny_model()});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.err.find("scout-q8_0.gguf"), std::string::npos) << other.err;
  EXPECT_NE(other.err.find("tiny.gguf"), std::string::npos) << other.err;
}

TEST(Index, WrongUse) {
  EXPECT_EQ(run_command({"index"}).exit_code, 2);
  EXPECT_EQ(run_command({"index", "build", "x.txt"}).exit_code, 2);
  EXPECT_EQ(run_command({"index", "search", "x.kidx", "q", "-k", "0"}).exit_code, 2);
  EXPECT_EQ(run_command({"index", "search", "x.kidx", "q", "--by", "luck"}).exit_code, 2);
  const Outcome missing = run_command({"index", "info", "/nonexistent/x.kidx"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.err.find("/nonexistent/x.kidx"), std::string::npos) << missing.err;
  const Outcome bytes = run_command({"index", "search", "x.kidx", "\xff"});
  EXPECT_EQ(bytes.exit_code, 1);
  EXPECT_NE(bytes.err.find("UTF-8"), std::string::npos) << bytes.err;
}

}  // namespace
}  // namespace kedge::tools
