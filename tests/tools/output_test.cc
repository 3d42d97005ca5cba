// Every command that writes a file: what is no regular file stays what it is, and the error names it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

namespace fs = std::filesystem;

unsigned mode_of(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777u : 0;
}

// The arguments of each verb, up to the file.
std::vector<std::vector<std::string>> writers() {
  const std::string model = tiny_model();
  const std::string session = scratch("writers.session");
  if (!fs::exists(session)) run_command({"session", "save", "-m", model, "-p", "hello", "-o", session});
  const std::string text = write_scratch("doc.txt", "A page holds 32 tokens.\n");
  const std::string route = KEDGE_TEST_DATA "/eval/route/fit";
  return {{"session", "save", "-m", model, "-p", "hello", "-o"},
          {"session", "load", session, "-m", model, "-n", "1", "-o"},
          {"quantize", "-m", model, "--type", "Q4_0", "--allow-requantize", "-o"},
          {"generate-model", "--shape", "tiny", "-o"},
          {"logits", "-m", model, "--tokens", "1,2", "-o"},
          {"index", "build", text, "-m", model, "-o"},
          {"bench", "-m", model, "-p", "1", "-n", "1", "--plot"},
          {"eval", "recall", "-m", model, "--data", KEDGE_TEST_DATA "/eval/recall.jsonl", "--limit", "0", "--plot"},
          {"eval", "recall", "-m", model, "--data", KEDGE_TEST_DATA "/eval/recall.jsonl", "--limit", "0", "--pages"},
          {"eval", "recall", "-m", model, "--data", KEDGE_TEST_DATA "/eval/recall.jsonl", "--limit", "0", "--json"},
          {"eval", "recall", "-m", model, "--data", KEDGE_TEST_DATA "/eval/recall.jsonl", "--limit", "0", "--rows-out"},
          {"eval", "route", "--data", route, "--limit", "1", "--plot"},
          {"eval", "route", "--data", route, "--limit", "1", "--json"},
          {"calibrate", "--data", route, "-o", scratch("calibrators"), "--limit", "1", "--neighbours"}};
}

TEST(Outputs, OnlyRegularFilesAreReplaced) {
  const std::string kept = write_scratch("kept", "mine");
  const std::string pipe = scratch("pipe"), link = scratch("link"), dangling = scratch("dangling");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  fs::create_symlink(kept, link);
  fs::create_symlink(scratch("nowhere"), dangling);
  for (const auto& verb : writers()) {
    for (const std::string& target : {pipe, link, dangling, std::string("/dev/full"), scratch_folder()}) {
      std::vector<std::string> args = verb;
      args.push_back(target);
      const Outcome o = run_command(args);
      const std::string what = verb[0] + " " + verb[1] + " ... " + verb.back() + " " + target;
      EXPECT_EQ(o.exit_code, 1) << what << ": " << o.err;
      EXPECT_NE(o.err.find(target), std::string::npos) << what << ": " << o.err;
    }
  }
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_TRUE(fs::is_symlink(link) && fs::is_symlink(dangling));
  EXPECT_FALSE(fs::exists(scratch("nowhere")));
  EXPECT_EQ(slurp(kept), "mine");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(Outputs, SessionsAndIndexesAreTheirOwners) {
  const std::string session = scratch("own.session"), index = scratch("own.kidx");
  ASSERT_EQ(run_command({"session", "save", "-m", tiny_model(), "-p", "hello", "-o", session}).exit_code, 0);
  EXPECT_EQ(mode_of(session), 0600u);
  const std::string text = write_scratch("doc.txt", "A page holds 32 tokens.\n");
  ASSERT_EQ(run_command({"index", "build", text, "-m", tiny_model(), "-o", index}).exit_code, 0);
  EXPECT_EQ(mode_of(index), 0600u);
}

TEST(Outputs, StandardOutputIsADash) {
  const std::string file = scratch("rows.f32");
  ASSERT_EQ(run_command({"logits", "-m", tiny_model(), "--tokens", "1,2", "-o", file}).exit_code, 0);
  const Outcome o = run_command({"logits", "-m", tiny_model(), "--tokens", "1,2", "-o", "-"});
  EXPECT_EQ(o.exit_code, 0) << o.err;
  EXPECT_TRUE(o.out == slurp(file));
  EXPECT_EQ(run_command({"logits", "-m", tiny_model(), "--tokens", "1,2", "-o", "-", "--json"}).exit_code, 2);
  const Outcome session = run_command({"session", "save", "-m", tiny_model(), "-p", "hello", "-o", "-"});
  EXPECT_EQ(session.exit_code, 1);
  EXPECT_NE(session.err.find("standard output"), std::string::npos) << session.err;
  EXPECT_FALSE(fs::exists("-"));
}

}  // namespace
}  // namespace kedge::tools
