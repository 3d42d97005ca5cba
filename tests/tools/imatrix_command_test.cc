// kedge imatrix, and what kedge quantize makes of its file.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

Json json_of(const Strings& args) {
  const Outcome o = run_command(args);
  EXPECT_EQ(o.exit_code, 0) << o.err;
  return o.json();
}

std::string some_text() {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "Sentence " + std::to_string(i * i) + " says little, and not much new.\n";
  return write_scratch("calibration.txt", text);
}

TEST(ImatrixCommand, ItsFileChangesWhatQuantizeDoes) {
  const std::string model = scratch("imatrix-f32.gguf");
  json_of({"generate-model", "--shape", "tiny", "--type", "F32", "-o", model, "--json"});
  const std::string file = scratch("m.imatrix.gguf");
  const Json report =
      json_of({"imatrix", "-m", model, "-f", some_text(), "-o", file, "-c", "64", "--chunks", "4", "--json"});
  EXPECT_EQ(report["chunks"], 4);
  EXPECT_EQ(report["tokens"], 256);
  EXPECT_EQ(report["unused_experts"], 0);
  EXPECT_GT(report["tensors"], 6);
  const auto quantise = [&](const std::string& name, const Strings& more) {
    Strings args = {"quantize", "-m", model, "-o", scratch(name), "--type", "Q4_K", "--json"};
    args.insert(args.end(), more.begin(), more.end());
    json_of(args);
    return slurp(scratch(name));
  };
  const std::string plain = quantise("plain.gguf", {});
  const std::string weighed = quantise("weighed.gguf", {"--imatrix", file});
  EXPECT_EQ(plain.size(), weighed.size());
  EXPECT_NE(plain, weighed);
}

TEST(ImatrixCommand, WrongUse) {
  const std::string out = scratch("none.gguf");
  const Outcome less = run_command({"imatrix", "-m", tiny_model(), "-f", write_scratch("short.txt", "Hi"), "-o", out});
  EXPECT_EQ(less.exit_code, 1);
  EXPECT_NE(less.err.find("less than one chunk of 512"), std::string::npos) << less.err;
  EXPECT_FALSE(std::filesystem::exists(out));
  EXPECT_EQ(run_command({"imatrix", "-m", tiny_model(), "-f", some_text()}).exit_code, 2);
  const Outcome nowhere = run_command({"imatrix", "-m", tiny_model(), "-f", some_text(), "-o", "/nonexistent/x.gguf"});
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_NE(nowhere.err.find("/nonexistent"), std::string::npos) << nowhere.err;
}

}  // namespace
}  // namespace kedge::tools
