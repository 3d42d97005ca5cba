// `kedge run`: the order of the samplers, and the search for the most likely continuations.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

Strings run(const Strings& more) {
  Strings args = {"run", "-m", tiny_model(), "-p", "Once", "-n", "4", "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

Json json_of(const Strings& args) {
  const Outcome o = run_command(args);
  EXPECT_EQ(o.exit_code, 0) << o.err;
  return o.json();
}

TEST(RunSampling, SamplersRunInTheOrderGiven) {
  const Json usual = json_of(run({"--seed", "1"}));
  EXPECT_EQ(usual["settings"]["samplers"], (Strings{"top_k", "top_p", "min_p", "temperature"}));
  const Json given = json_of(run({"--seed", "1", "--samplers", "temperature;top_k"}));
  EXPECT_EQ(given["settings"]["samplers"], (Strings{"temperature", "top_k"}));
  const Json steered = json_of(run({"--seed", "1", "--mirostat", "2", "--mirostat-tau", "3"}));
  EXPECT_EQ(steered["settings"]["samplers"], (Strings{"temperature", "mirostat"}));
  EXPECT_EQ(steered["settings"]["settings"]["mirostat_tau"], 3);
  const Outcome wrong = run_command(run({"--samplers", "top_k;tipsy"}));
  EXPECT_NE(wrong.exit_code, 0);
  EXPECT_NE(wrong.err.find("unknown sampler 'tipsy'"), std::string::npos) << wrong.err;
}

TEST(RunSampling, BeamsAreTheBestContinuations) {
  const Json greedy = json_of(run({"--temp", "0", "--logprobs", "0"}));
  const Json one = json_of(run({"--beams", "1"}));
  ASSERT_EQ(one["answers"].size(), 1u);
  EXPECT_EQ(one["answers"][0]["tokens"], greedy["tokens"]);
  double sum = 0;
  for (const Json& row : greedy["logprobs"]) sum += row[0]["logprob"].get<double>();
  EXPECT_NEAR(one["answers"][0]["logprob"].get<double>(), sum, 1e-9);
  EXPECT_NEAR(one["answers"][0]["score"].get<double>(), sum / static_cast<double>(greedy["tokens"].size()), 1e-9);
  const Json all = json_of(run({"--beams", "6", "--length-penalty", "0"}));
  const Json best = json_of(run({"--beams", "6", "--n-best", "2", "--length-penalty", "0", "--beam-stop", "proven"}));
  ASSERT_EQ(all["answers"].size(), 6u);
  ASSERT_EQ(best["answers"].size(), 2u);
  for (size_t i = 0; i + 1 < 6; ++i) EXPECT_GE(all["answers"][i]["score"], all["answers"][i + 1]["score"]);
  EXPECT_GE(all["answers"][0]["logprob"].get<double>(), sum - 1e-9);
  const Outcome text = run_command({"run", "-m", tiny_model(), "-p", "Once", "-n", "3", "--beams", "2"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("3 tokens, length"), std::string::npos) << text.out;
}

TEST(RunSampling, ASearchDrawsNothing) {
  for (const Strings& flags : {Strings{"--temp", "0.5"},
                               {"--seed", "4"},
                               {"--stop", "x"},
                               {"--samplers", "top_k"},
                               {"--speculate", "ngram"}}) {
    Strings args = run({"--beams", "2"});
    args.insert(args.end(), flags.begin(), flags.end());
    const Outcome o = run_command(args);
    EXPECT_EQ(o.exit_code, 2);
    EXPECT_NE(o.err.find("is about drawing tokens"), std::string::npos) << o.err;
  }
  EXPECT_EQ(run_command(run({"--n-best", "2"})).exit_code, 2);
  EXPECT_EQ(run_command(run({"--beams", "2", "--ignore-eos"})).exit_code, 2);
  EXPECT_EQ(run_command(run({"--beams", "0"})).exit_code, 2);
}

}  // namespace
}  // namespace kedge::tools
