// The command gives the same logits, bit for bit, on every instruction set this machine has, for every step size and
// number of threads; likewise, among themselves, the fast numbers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>

#include "kernels/fast_kernels.h"
#include "kernels/isa.h"
#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

class InstructionSet {
 public:
  explicit InstructionSet(const char* name) { setenv("KEDGE_ISA", name, 1); }
  ~InstructionSet() { unsetenv("KEDGE_ISA"); }
};

std::string logits(const std::string& model, const std::string& numerics, int chunk, int threads) {
  std::string tokens;
  for (int i = 0; i < 70; ++i) tokens += (i == 0 ? "" : ",") + std::to_string((i * 37 + i / 5) % 250 + 3);
  const std::string file = scratch("logits");
  const Outcome run =
      run_command({"logits", "-m", std::string(KEDGE_TEST_DATA) + "/golden/" + model, "--tokens", tokens, "--numerics",
                   numerics, "--chunk", std::to_string(chunk), "-t", std::to_string(threads), "-o", file});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  return slurp(file);
}

class SameBits : public testing::TestWithParam<const char*> {};

TEST_P(SameBits, OnEveryInstructionSetStepAndTeam) {
  std::string want;
  {
    const InstructionSet reference("reference");
    want = logits(GetParam(), "exact", 512, 1);
  }
  ASSERT_FALSE(want.empty());
  std::string covered;
  for (const KernelTable* table : usable_kernels()) {
    const InstructionSet isa(table->name);
    covered += std::string(" ") + table->name;
    for (const int chunk : {1, 2, 3, 7, 16, 33}) {
      for (const int threads : {1, 2, 3, 5}) {
        ASSERT_TRUE(want == logits(GetParam(), "exact", chunk, threads))
            << table->name << " chunk " << chunk << " threads " << threads;
      }
    }
  }
  std::cout << "[ ISAs     ] same logits on:" << covered << "\n";
}

TEST_P(SameBits, FastNumbersAmongThemselves) {
  std::map<std::string, std::string> all;  // by what is fast
  for (const KernelTable* table : usable_kernels()) {
    if (fast_numerics(*table).empty()) continue;
    const InstructionSet isa(table->name);
    std::string& want = all[fast_numerics(*table)];
    for (const int chunk : {1, 2, 3, 7, 16, 33}) {
      for (const int threads : {1, 3}) {
        const std::string got = logits(GetParam(), "fast", chunk, threads);
        if (want.empty()) want = got;
        ASSERT_TRUE(want == got) << table->name << " chunk " << chunk << " threads " << threads;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SameBits,
                         testing::Values("quant-llama/model-Q4_0.gguf", "quant-llama/model-F16.gguf",
                                         "quant-qwen3moe/model-Q4_K.gguf"),
                         [](const auto& i) {
                           std::string name = i.param;
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           return name;
                         });

TEST(Numerics, FastIsRefusedWithoutTheInstructions) {
  const InstructionSet isa("avx2");
  const Outcome run = run_command({"logits", "-m", std::string(KEDGE_TEST_DATA) + "/golden/quant-llama/model-Q4_0.gguf",
                                   "--tokens", "1,2,3", "--numerics", "fast", "-o", scratch("logits")});
  if (run.err.find("not usable") != std::string::npos) GTEST_SKIP() << "no AVX2 here";
  EXPECT_NE(run.exit_code, 0);
  EXPECT_NE(run.err.find("avx512vnni"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("avx2"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace kedge::tools
