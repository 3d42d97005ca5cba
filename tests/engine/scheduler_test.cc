// The scheduler's promises, counted in steps and tokens.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace kedge::engine {
namespace {

// Sequences that want so many tokens each; plays steps until nothing is wanted.
struct Line {
  std::string key;
  int prompt = 0;  // tokens left of it
  int decode = 0;  // tokens to choose after it
  uint64_t arrived = 0;
  uint64_t since = 0;
  double weight = 1;  // of its key
  int first_token_step = -1;
  int longest_gap = 0;  // steps without a token while it decodes
  int gap = 0;
};

class Play {
 public:
  explicit Play(const Scheduler::Limits& limits) : limits_(limits), scheduler_(limits) {}
  std::vector<Line> lines;
  Scheduler& scheduler() { return scheduler_; }

  // Rows of the step by line; empty when nobody wants anything.
  std::map<size_t, int> step() {
    std::vector<Scheduler::Demand> demands;
    std::vector<size_t> who;
    for (size_t i = 0; i < lines.size(); ++i) {
      const Line& l = lines[i];
      if (l.prompt + l.decode == 0) continue;
      demands.push_back(
          {l.key, l.prompt > 0 ? l.prompt : 1, 1 << 30, l.arrived, std::max(l.since, l.arrived), l.weight});
      who.push_back(i);
    }
    std::map<size_t, int> rows;
    const auto shares = scheduler_.plan(demands, now_);
    int total = 0;
    ++now_;
    for (size_t i = 0; i < lines.size(); ++i) lines[i].gap += lines[i].prompt == 0 && lines[i].decode > 0 ? 1 : 0;
    for (const auto& share : shares) {
      Line& l = lines[who[share.demand]];
      rows[who[share.demand]] = share.tokens;
      total += share.tokens;
      l.since = now_;
      if (l.prompt > 0) {
        EXPECT_LE(share.tokens, l.prompt);
        l.prompt -= share.tokens;
        if (l.prompt == 0 && l.first_token_step < 0) l.first_token_step = static_cast<int>(now_);
      } else {
        EXPECT_EQ(1, share.tokens);
        --l.decode;
        l.longest_gap = std::max(l.longest_gap, l.gap);
        l.gap = 0;
      }
    }
    EXPECT_LE(total, limits_.step_tokens);
    EXPECT_LE(shares.size(), static_cast<size_t>(limits_.sequences));
    EXPECT_EQ(demands.empty(), shares.empty());
    return rows;
  }
  int play() {
    int steps = 0;
    while (!step().empty()) ++steps;
    return steps;
  }
  int now() const { return static_cast<int>(now_); }

 private:
  Scheduler::Limits limits_;
  Scheduler scheduler_;
  uint64_t now_ = 0;
};

TEST(Scheduler, DecodingWaitsForNobodysPrompt) {
  Play play({.sequences = 16, .step_tokens = 256, .step_ms = -1});
  for (int i = 0; i < 8; ++i) play.lines.push_back({.key = "stream", .decode = 60});
  play.lines.push_back({.key = "prompt", .prompt = 4000, .decode = 4});
  play.play();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(1, play.lines[static_cast<size_t>(i)].longest_gap) << i;
  // What the streams leave of every step is the prompt's.
  EXPECT_EQ((4000 + 256 - 8 - 1) / (256 - 8), play.lines[8].first_token_step);
}

TEST(Scheduler, PromptsBesideDecodingAreCutToTheTime) {
  Play play({.sequences = 8, .step_tokens = 512, .step_ms = 0});
  EXPECT_EQ(511, play.scheduler().prompt_budget(1));  // nothing is known yet
  for (int i = 0; i < 50; ++i) {
    play.scheduler().learn(4, 0, 20);         // decoding takes 20 ms
    play.scheduler().learn(4, 100, 20 + 50);  // and a prompt token half a millisecond
  }
  EXPECT_NEAR(40, play.scheduler().prompt_budget(4), 1);  // twice the decoding step
  EXPECT_EQ(512, play.scheduler().prompt_budget(0));      // nobody waits
  Play fixed({.sequences = 8, .step_tokens = 512, .step_ms = 100});
  for (int i = 0; i < 50; ++i) {
    fixed.scheduler().learn(4, 0, 20);
    fixed.scheduler().learn(4, 100, 70);
  }
  EXPECT_NEAR(160, fixed.scheduler().prompt_budget(4), 1);
  Play slow({.sequences = 8, .step_tokens = 512, .step_ms = 10});
  for (int i = 0; i < 50; ++i) {
    slow.scheduler().learn(4, 0, 20);
    slow.scheduler().learn(4, 100, 70);
  }
  EXPECT_EQ(Scheduler::kLeastShare, slow.scheduler().prompt_budget(4));  // a prompt goes on all the same
}

TEST(Scheduler, ASaturatingKeyDelaysAnotherByARoundAtMost) {
  for (const int newcomer : {10, 60, 128, 500}) {
    Play play({.sequences = 16, .step_tokens = 128, .step_ms = -1});
    for (int i = 0; i < 40; ++i) play.lines.push_back({.key = "greedy", .prompt = 3000});
    for (int i = 0; i < 10; ++i) play.step();
    const int arrival = play.now();
    play.lines.push_back({.key = "other", .prompt = newcomer, .arrived = static_cast<uint64_t>(arrival)});
    while (play.lines.back().prompt > 0) play.step();
    // Half of every step is its own.
    EXPECT_LE(play.lines.back().first_token_step - arrival, (newcomer + 63) / 64 + 1) << newcomer;
  }
}

TEST(Scheduler, KeysGetEqualTokens) {
  Play play({.sequences = 16, .step_tokens = 100, .step_ms = -1});
  for (int i = 0; i < 9; ++i) play.lines.push_back({.key = i == 0 ? "a" : i < 3 ? "b" : "c", .prompt = 100000});
  std::map<std::string, int> tokens;
  for (int i = 0; i < 300; ++i) {
    for (const auto& [line, n] : play.step()) tokens[play.lines[line].key] += n;
  }
  EXPECT_NEAR(10000, tokens["a"], 100);
  EXPECT_NEAR(10000, tokens["b"], 100);
  EXPECT_NEAR(10000, tokens["c"], 100);
}

TEST(Scheduler, KeysGetTokensByTheirWeights) {
  Play play({.sequences = 16, .step_tokens = 100, .step_ms = -1});
  play.lines.push_back({.key = "a", .prompt = 100000, .weight = 1});
  play.lines.push_back({.key = "b", .prompt = 100000, .weight = 3});
  play.lines.push_back({.key = "c", .prompt = 100000, .weight = 0.5});
  std::map<std::string, int> tokens;
  for (int i = 0; i < 450; ++i) {
    for (const auto& [line, n] : play.step()) tokens[play.lines[line].key] += n;
  }
  EXPECT_NEAR(10000, tokens["a"], 200);
  EXPECT_NEAR(30000, tokens["b"], 200);
  EXPECT_NEAR(5000, tokens["c"], 200);
}

TEST(Scheduler, ShortPromptsFirstButLongOnesToo) {
  Play play({.sequences = 4, .step_tokens = 64, .step_ms = -1});
  play.lines.push_back({.key = "", .prompt = 2000});
  play.step();
  play.lines.push_back({.key = "", .prompt = 30, .arrived = 1});
  play.step();
  EXPECT_EQ(0, play.lines[1].prompt);  // the short one is there at once
  // An endless stream of short prompts does not keep the long one out for ever.
  for (int i = 0; i < 400 && play.lines[0].prompt > 0; ++i) {
    for (int k = 0; k < 2; ++k) {
      play.lines.push_back({.key = "", .prompt = 64, .arrived = static_cast<uint64_t>(play.now())});
    }
    play.step();
  }
  EXPECT_EQ(0, play.lines[0].prompt);
}

TEST(Scheduler, MoreStreamsThanAStepTakesTurns) {
  Play play({.sequences = 4, .step_tokens = 64, .step_ms = -1});
  for (int i = 0; i < 10; ++i) play.lines.push_back({.key = "", .decode = 20});
  play.play();
  for (const Line& l : play.lines) EXPECT_LE(l.longest_gap, 3);
  // And a prompt gets a place among them.
  for (Line& l : play.lines) l.decode = 200;
  play.lines.push_back({.key = "", .prompt = 100, .arrived = static_cast<uint64_t>(play.now())});
  const int arrival = play.now();
  while (play.lines.back().prompt > 0) play.step();
  EXPECT_LE(play.lines.back().first_token_step - arrival, 3);
}

TEST(Scheduler, OneAtATimeInTurn) {
  Play play({.sequences = 1, .step_tokens = 16, .step_ms = -1});
  play.lines.push_back({.key = "a", .decode = 30});
  play.lines.push_back({.key = "b", .prompt = 100});
  EXPECT_EQ(30 + 7, play.play());
  EXPECT_LE(play.lines[0].longest_gap, 2);
}

// Texts of an encoder are never cut; none waits for ever, and those behind a long one use the room it leaves.
TEST(Scheduler, WholeTextsGoThroughInOneStep) {
  Scheduler scheduler({.sequences = 3, .step_tokens = 100, .step_ms = 0});
  const auto demand = [](int n, uint64_t since) {
    return Scheduler::Demand{.key = "k", .remaining = n, .waiting_since = since, .whole = true};
  };
  const auto tokens_of = [&](const std::vector<Scheduler::Demand>& demands) {
    std::vector<int> tokens(demands.size());
    for (const auto& share : scheduler.plan(demands, 9)) tokens[share.demand] = share.tokens;
    return tokens;
  };
  EXPECT_EQ((std::vector<int>{60, 0, 40}), tokens_of({demand(60, 1), demand(41, 2), demand(40, 3)}));
  EXPECT_EQ((std::vector<int>{0, 100}), tokens_of({demand(1, 5), demand(100, 4)}));
  EXPECT_EQ((std::vector<int>{1, 1, 0, 1}), tokens_of({demand(1, 1), demand(1, 2), demand(1, 4), demand(1, 3)}));
}

}  // namespace
}  // namespace kedge::engine
