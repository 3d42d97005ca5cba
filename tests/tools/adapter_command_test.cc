// --lora and --control-vector: the same bits on every instruction set, and clear words about what is wrong.
#include <gtest/gtest.h>

#include "kernels/isa.h"
#include "tests/engine/adapter_files.h"
#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

using namespace engine::testing_adapters;

const std::string kModel = std::string(KEDGE_TEST_DATA) + "/golden/quant-llama/model-Q4_K_M.gguf";

const std::string& lora() {
  static const std::string path = [] {
    const auto model = engine::testing_golden::load(kModel);
    return write(random_draft(*model, 41, "F16"), "command");
  }();
  return path;
}

Outcome logits(const std::string& file, std::vector<std::string> more, const Environment& environment = {}) {
  std::vector<std::string> args = {"logits", "-m", kModel, "--tokens", "5,17,40,3,99,120,7,31", "-o", file};
  args.insert(args.end(), more.begin(), more.end());
  return run_command(args, "", environment);
}

std::string bits(const std::vector<std::string>& more, const Environment& environment = {}) {
  const std::string file = scratch("logits");
  const Outcome run = logits(file, more, environment);
  EXPECT_EQ(0, run.exit_code) << run.err;
  return slurp(file);
}

TEST(AdapterCommand, SameBitsOnEveryInstructionSet) {
  const std::string want = bits({"--lora", lora()}, {{"KEDGE_ISA", "reference"}});
  ASSERT_FALSE(want.empty());
  for (const KernelTable* table : usable_kernels()) {
    for (const char* chunk : {"1", "3", "512"}) {
      EXPECT_TRUE(want == bits({"--lora", lora(), "--chunk", chunk, "-t", "2"}, {{"KEDGE_ISA", table->name}}))
          << table->name << " " << chunk;
    }
  }
}

TEST(AdapterCommand, ScalesAndRepeats) {
  const std::string base = bits({});
  const std::string once = bits({"--lora", lora()});
  EXPECT_NE(base, once);
  EXPECT_EQ(once, bits({"--lora", lora() + ":1"}));
  EXPECT_EQ(base, bits({"--lora", lora() + ":0"}));
  EXPECT_NE(once, bits({"--lora", lora() + ":0.5"}));
  EXPECT_NE(once, bits({"--lora", lora(), "--lora", lora() + ":-0.25"}));
}

TEST(AdapterCommand, SaysWhatIsWrong) {
  const auto fails = [](const std::vector<std::string>& flags, const std::string& named) {
    const Outcome run = logits(scratch("none"), flags);
    EXPECT_NE(0, run.exit_code);
    EXPECT_NE(std::string::npos, run.err.find(named)) << run.err;
  };
  fails({"--lora", lora() + ":much"}, "'much' is no scale");
  fails({"--lora", scratch("nowhere.gguf")}, "nowhere.gguf");
  fails({"--lora", kModel}, "neither an adapter nor a control vector");
  fails({"--control-vector", lora()}, "is a LoRA adapter: --lora");
}

TEST(AdapterCommand, SessionsAndInspection) {
  const std::string file = scratch("adapted.session");
  const Outcome saved = run_command({"session", "save", "-m", kModel, "-p", "abc", "-o", file, "--lora", lora()});
  ASSERT_EQ(0, saved.exit_code) << saved.err;
  EXPECT_EQ(0, run_command({"session", "info", file, "-m", kModel, "--lora", lora()}).exit_code);
  const Outcome other = run_command({"session", "info", file, "-m", kModel});
  EXPECT_NE(0, other.exit_code);
  EXPECT_NE(std::string::npos, other.err.find("saved with adapters: 'command' (")) << other.err;
  const Outcome inspected = run_command({"inspect", lora(), "--json"});
  ASSERT_EQ(0, inspected.exit_code) << inspected.err;
  EXPECT_EQ("lora", inspected.json()["adapter"]["kind"]);
  EXPECT_EQ("llama", inspected.json()["adapter"]["architecture"]);
}

}  // namespace
}  // namespace kedge::tools
